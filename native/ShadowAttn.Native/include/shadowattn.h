/*
 * libshadowattn: sparse attention with an INT8 pilot, for engines in C, C++ and whatever calls C.
 *
 * Everywhere
 *   - Functions return SA_OK or an error code; sa_last_error() has the message of the calling thread's last failure.
 *   - Handles are numbers, not addresses. One that is null, was freed, is of another kind or was never made gives SA_ERROR_HANDLE. Any
 *     handle may be used from any thread. Freeing one that another thread uses is safe: what it stands for ends with that use. What is
 *     made from a handle keeps it alive, so the order of freeing does not matter. Freeing a null handle does nothing.
 *   - An attention computes one call at a time; a second one, or a change of one of its caches meanwhile, gives SA_ERROR_BUSY and
 *     changes nothing. Different attentions are independent.
 *   - Structs begin with their size: set it to sizeof the struct and the rest to zero where the default will do. A caller that was
 *     compiled with an older header passes a smaller size and gets the defaults of what it does not know; a larger one is taken when the
 *     bytes that this library does not know are zero.
 *   - Memory that is passed stays the caller's. It is read or written until the function returns and not kept, unless said otherwise.
 *   - Strings are UTF-8 with a zero at the end.
 *   - A call of a shape that was seen before allocates nothing.
 */
#ifndef SHADOWATTN_H
#define SHADOWATTN_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SA_API __declspec(dllimport)
#define SA_CALL __cdecl
#else
#define SA_API
#define SA_CALL
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header: major * 10000 + minor * 100 + patch. sa_version_number() is the library's. */
#define SA_VERSION 100

/* ---------------------------------------------------------------- errors */

typedef int32_t sa_status;

enum {
    SA_OK = 0,
    SA_ERROR_ARGUMENT = 1,      /* a null pointer, or a value that is out of range or does not fit another; the message names it */
    SA_ERROR_HANDLE = 2,        /* null, freed, of another kind, or no handle at all */
    SA_ERROR_STRUCT_SIZE = 3,   /* a struct's size is none that was ever current, or bytes beyond the known ones are not zero */
    SA_ERROR_BUSY = 4,          /* the attention is computing for another thread */
    SA_ERROR_CANCELLED = 5,     /* the call was cancelled; the output is partly written */
    SA_ERROR_BACKEND_LOAD = 6,  /* the QNN library is missing or unsuitable */
    SA_ERROR_BACKEND = 7,       /* a call of the QNN backend failed */
    SA_ERROR_NOT_SUPPORTED = 8, /* the mode, the backend or the machine cannot do this */
    SA_ERROR_MEMORY = 9,        /* not enough memory */
    SA_ERROR_FILE = 10,         /* a file cannot be read */
    SA_ERROR_FORMAT = 11,       /* a file has other content than it should have */
    SA_ERROR_CAPACITY = 12,     /* more keys than the cache has room for */
    SA_ERROR_LIMIT = 13,        /* too many handles */
    SA_ERROR_INTERNAL = 14      /* a fault of this library; please report the message */
};

/* The message of the calling thread's last failed call; empty if none has failed. Valid until the thread's next failed call; a call
 * that succeeds leaves it as it is. Never null. */
SA_API const char *SA_CALL sa_last_error(void);

/* The constant's name, such as "SA_ERROR_HANDLE"; "SA_ERROR_UNKNOWN" for any other number. Never null, valid for ever. */
SA_API const char *SA_CALL sa_error_name(sa_status status);

/* ---------------------------------------------------------------- library */

/* Such as "0.1.0". Valid for ever. */
SA_API const char *SA_CALL sa_version(void);

/* The same as a number; compare with SA_VERSION. */
SA_API uint32_t SA_CALL sa_version_number(void);

/* The instruction set that kernels use: "scalar", "advsimd", "dp", "avx2", "avxvnni" or "avx512". The environment variable SHADOWATTN_ISA
 * narrows it. Valid for ever. */
SA_API const char *SA_CALL sa_isa(void);

/* 1 if this machine can run kernels of the instruction set of that name, 0 if not, or if there is none of that name, or for null. */
SA_API int32_t SA_CALL sa_isa_supported(const char *name);

enum { SA_LOG_DEBUG = 1, SA_LOG_INFO = 2, SA_LOG_WARNING = 3, SA_LOG_ERROR = 4, SA_LOG_NONE = 6 };

/* Called with one line, on any thread and by one thread at a time. message: valid during the callback only. */
typedef void(SA_CALL *sa_log_callback)(void *user, int32_t level, const char *message);

/* Sets where the lines of this library and its backends go; one callback for the process.
 * callback: null for nowhere, the state at the start. The callback that was set before is not called any more once this returns.
 * user:     handed to the callback; must live until another callback is set.
 * level:    the least severe lines wanted, SA_LOG_*. */
SA_API sa_status SA_CALL sa_log_set(sa_log_callback callback, void *user, int32_t level);

/* What the library holds. */
typedef struct sa_usage {
    uint32_t size; /* sizeof(sa_usage) */
    uint32_t handles; /* handles that have not been freed */
    int64_t buffers; /* blocks of unmanaged memory */
    int64_t bytes; /* their size */
} sa_usage;

/* usage: its size is set by the caller, the rest is written. */
SA_API sa_status SA_CALL sa_usage_get(sa_usage *usage);

/* ---------------------------------------------------------------- handles */

typedef struct sa_backend sa_backend;           /* a QNN backend: an NPU, or the one in software */
typedef struct sa_workers sa_workers;           /* threads that attentions share */
typedef struct sa_profile sa_profile;           /* a calibration profile */
typedef struct sa_attention sa_attention;       /* the operator of one layer, or of all layers that are alike */
typedef struct sa_cache sa_cache;               /* keys and values of one sequence in one layer */
typedef struct sa_plan sa_plan;                 /* an attention made ready for calls of one shape */
typedef struct sa_cancellation sa_cancellation; /* asks calls to stop */

/* ---------------------------------------------------------------- backend */

enum {
    SA_POWER_DEFAULT = 0,
    SA_POWER_BURST = 1,
    SA_POWER_SUSTAINED = 2,
    SA_POWER_BALANCED = 3
};

typedef struct sa_backend_options {
    uint32_t size; /* sizeof(sa_backend_options) */
    uint32_t threads; /* of the backend in software: threads that execute a graph; 0: one per core */
    int32_t power; /* SA_POWER_*: what the NPU's clocks are asked for while the backend is open. Not verified on hardware. */
    uint32_t rpc_polling_us; /* how long a core may poll for the NPU's result instead of sleeping, microseconds; needs a power other than the default */
    const char *cache_folder; /* where finished graphs are kept between processes; null: nowhere. Made if it is not there. */
} sa_backend_options;

/* Opens a backend.
 * path:    "soft" for the backend in software, which is part of this library; else a QNN library: a path, or a name that the system's
 *          loader finds, such as "libQnnHtp.so".
 * options: null for the defaults.
 * backend: receives the handle; set to null on failure. sa_backend_free ends it. */
SA_API sa_status SA_CALL sa_backend_open(const char *path, const sa_backend_options *options, sa_backend **backend);
SA_API sa_status SA_CALL sa_backend_free(sa_backend *backend);

/* Copies the backend's name and the version of its API, "HTP_QTI_AISW 2.32.0", to text.
 * text:     room for capacity bytes; may be null if capacity is 0. What does not fit is cut off, with a zero at the end.
 * required: receives the bytes that are needed, the zero included; may be null. */
SA_API sa_status SA_CALL sa_backend_describe(sa_backend *backend, char *text, size_t capacity, size_t *required);

/* ---------------------------------------------------------------- threads */

/* Starts threads for any number of attentions, which then compute one after the other.
 * threads: how many, the caller's thread included, at most 256; 0 for one per core. */
SA_API sa_status SA_CALL sa_workers_create(uint32_t threads, sa_workers **workers);
SA_API sa_status SA_CALL sa_workers_free(sa_workers *workers);

/* ---------------------------------------------------------------- calibration profile */

/* Reads a profile as `shadowattn calibrate` writes it: the keep ratio of each head, and what the keys of each layer are like.
 * path: the JSON file. */
SA_API sa_status SA_CALL sa_profile_load(const char *path, sa_profile **profile);

/* The same from memory. json: UTF-8, bytes long, no zero needed. */
SA_API sa_status SA_CALL sa_profile_parse(const void *json, size_t bytes, sa_profile **profile);
SA_API sa_status SA_CALL sa_profile_free(sa_profile *profile);

typedef struct sa_profile_info {
    uint32_t size; /* sizeof(sa_profile_info) */
    uint32_t heads; /* query heads of a layer */
    uint32_t kv_heads; /* KV heads of a layer */
    uint32_t head_dim; /* channels of a head */
    uint32_t min_keys; /* the floor that the ratios were found with */
    uint32_t layers; /* number of layers */
    uint32_t first_layer; /* the smallest layer number */
    uint32_t last_layer; /* the largest layer number */
} sa_profile_info;

/* info: its size is set by the caller, the rest is written. */
SA_API sa_status SA_CALL sa_profile_get_info(sa_profile *profile, sa_profile_info *info);

/* ---------------------------------------------------------------- attention */

enum {
    SA_MODE_AUTO = 0, /* SA_MODE_SHADOW with a backend, SA_MODE_SHADOW_CPU without */
    SA_MODE_SHADOW = 1, /* the INT8 pilot on the backend, exact attention over the kept keys on the CPU */
    SA_MODE_SHADOW_CPU = 2, /* the pilot by the CPU's INT8 kernels; needs no backend */
    SA_MODE_DENSE = 3, /* exact attention over all keys on the CPU */
    SA_MODE_NPU_INT8 = 4, /* all of it in INT8 on the backend: loses accuracy, takes no cache; fp32 only */
    SA_MODE_SPARSE_CPU = 5, /* the estimate in fp32 on the CPU: a baseline, takes no cache */
    SA_MODE_BLOCK_SPARSE = 6 /* blocks of 64 keys: a baseline, takes no cache */
};

enum {
    SA_TAIL_DEFAULT = 0, /* SA_TAIL_LINEAR */
    SA_TAIL_NONE = 1, /* dropped keys carry nothing */
    SA_TAIL_MEAN = 2, /* dropped keys carry their estimated mass times the mean value */
    SA_TAIL_LINEAR = 3 /* the same with a first-order term along the query */
};

enum {
    SA_MASK_CAUSAL = 0, /* query i of n sees keys 0 to keys - n + i: the queries are the last ones of the keys */
    SA_MASK_NONE = 1 /* every query sees every key */
};

enum {
    SA_EXACT_NONE = 0, /* the pilot decides which keys are kept */
    SA_EXACT_SURE = 1, /* keys that the pilot's error might have misplaced get an exact score: the kept keys are the exact top */
    SA_EXACT_TWO_ERRORS = 2, /* the same within two standard errors: nearly always exact, cheaper */
    SA_EXACT_THREE_ERRORS = 3 /* within three */
};

enum {
    SA_CROSSOVER_ON = 0, /* rows that see so few keys, or keep so many, that exact attention is faster get that; not with exact, sliding_window, alibi_slopes */
    SA_CROSSOVER_OFF = 1 /* every row keeps what its ratio says */
};

typedef struct sa_attention_options {
    uint32_t size; /* sizeof(sa_attention_options) */
    uint32_t heads; /* query heads, 1 to 65536, a multiple of kv_heads */
    uint32_t kv_heads; /* KV heads; query head h uses KV head h * kv_heads / heads */
    uint32_t head_dim; /* channels of a head, 1 to 4096 */
    int32_t mode; /* SA_MODE_* */
    int32_t tail; /* SA_TAIL_* */
    int32_t mask; /* SA_MASK_* */
    int32_t exact; /* SA_EXACT_* */
    float keep; /* share of the visible keys that a row keeps, in (0, 1]; 0: 0.2. Shares are read as the shortest decimal: 0.2f is 0.2 */
    float mass; /* instead: a row keeps the fewest keys with this share of the estimated softmax mass, in (0, 1]; 0: by keep */
    float scale; /* what q*k is multiplied with; 0: 1 / sqrt(head_dim) */
    uint32_t min_keys; /* a row keeps at least so many keys; 0: 64 */
    uint32_t sliding_window; /* a query sees at most the last so many keys; 0: all. Only with SA_MASK_CAUSAL. */
    uint32_t sinks; /* keep the first so many keys beside the chosen ones */
    uint32_t local_window; /* keep the last so many keys beside the chosen ones */
    uint32_t threads; /* CPU threads, the caller's included, at most 256; 0: one per core, or those of workers */
    uint32_t max_plans; /* plans that are held, one per shape; the one that was not used for longest makes room. 0: 4 */
    uint32_t layer; /* the layer of profile to use */
    int32_t crossover; /* SA_CROSSOVER_* */
    int32_t reserved; /* 0 */
    const float *keep_per_head; /* fp32 [heads], contiguous: a share for each head instead of keep; null: none. Copied. */
    const float *alibi_slopes; /* fp32 [heads], contiguous, not negative: head h adds alibi_slopes[h] * (key - query position) to its
                                  logits; null: none. Copied. Only with SA_MASK_CAUSAL. */
    sa_workers *workers; /* threads to share with other attentions; null: own ones. Kept alive by the attention. */
    sa_profile *profile; /* keep ratios, floor, dense layers and the statistics of keys; null: none. Not together with keep, mass,
                            keep_per_head and min_keys. */
} sa_attention_options;

/* Makes an attention.
 * backend:   null for the modes that need none. Kept alive by the attention.
 * options:   heads, kv_heads and head_dim at least.
 * attention: receives the handle; set to null on failure. sa_attention_free ends it. */
SA_API sa_status SA_CALL sa_attention_create(sa_backend *backend, const sa_attention_options *options, sa_attention **attention);
SA_API sa_status SA_CALL sa_attention_free(sa_attention *attention);

/* threads: receives the number of CPU threads, the caller's included. */
SA_API sa_status SA_CALL sa_attention_get_threads(sa_attention *attention, uint32_t *threads);

/* ---------------------------------------------------------------- tensors */

enum {
    SA_F32 = 0,
    SA_F16 = 1, /* IEEE 754 half precision */
    SA_BF16 = 2, /* bfloat16 */
    SA_Q16 = 3 /* int16 with a scale per channel; only for what a cache stores */
};

/* [heads, rows, head_dim] in the caller's memory, channels adjacent. The numbers of heads, rows and channels come with the call. */
typedef struct sa_tensor {
    void *data; /* the first element, aligned to its own size; only the tensors that a function says it writes are written */
    int64_t head_stride; /* elements (not bytes) from a head to the next, not negative; 0: rows * row_stride */
    int64_t row_stride; /* elements from a row to the next, at least head_dim; 0: head_dim */
    int32_t dtype; /* SA_F32, SA_F16 or SA_BF16 */
    int32_t reserved; /* 0 */
} sa_tensor;

/* ---------------------------------------------------------------- calls */

enum { SA_DEVICE_CPU = 0, SA_DEVICE_NPU = 1 };

typedef struct sa_operator_time {
    char name[24]; /* "quantize", "pilot", "select", "tail", "gather", ... */
    int32_t device; /* SA_DEVICE_* */
    int32_t reserved;
    double ms; /* wall time on the NPU; on the CPU the threads' time divided by their number */
} sa_operator_time;

enum { SA_MAX_OPERATORS = 12 };

/* What a call did. */
typedef struct sa_stats {
    uint32_t size; /* sizeof(sa_stats) */
    uint32_t threads; /* CPU threads */
    double total_ms; /* wall time of the call */
    double exposed_estimate_ms; /* in which the CPU had nothing to do but wait for the pilot */
    int64_t kept_keys; /* of all rows */
    int64_t visible_keys; /* of all rows */
    int64_t rescored_rows; /* rows whose scores saturated and were ordered again on the CPU */
    int64_t exact_scores; /* keys that got an exact score because of options.exact */
    int64_t bytes_copied; /* between stages, and converted queries and outputs of 16 bits; 0 when everything is used in place */
    int64_t allocated_bytes; /* on the managed heap, by the caller's thread; 0 for a shape that was seen before */
    uint32_t operator_count; /* how many of operators are set */
    uint32_t reserved;
    sa_operator_time operators[12]; /* in the order of the data */
} sa_stats;

/* Called with a query head as soon as its output is complete, on a thread of the attention. Must return soon and must not use the
 * attention that calls it. */
typedef void(SA_CALL *sa_head_callback)(void *user, uint32_t head);

/* What a call takes beside its tensors. */
typedef struct sa_call {
    uint32_t size; /* sizeof(sa_call) */
    uint32_t reserved; /* 0 */
    sa_cancellation *cancellation; /* ends the call when another thread asks for it; null: nothing does */
    sa_stats *stats; /* written on success, its size is set by the caller; null: not wanted */
    sa_head_callback head_completed; /* null: not wanted. With it, heads are computed one after the other. */
    void *head_user; /* handed to head_completed */
} sa_call;

/* output = attention(query, key, value), all queries at once. Tensors are used where they are; those of 16 bits as q and o are converted.
 * q:       [heads, queries, head_dim], any dtype.
 * k, v:    [kv_heads, keys, head_dim], any dtype.
 * o:       receives [heads, queries, head_dim], any dtype; must not overlap the others.
 * queries: at least 1; at most keys with SA_MASK_CAUSAL.
 * call:    null for nothing.
 * Cancelled or failed, o is partly written and the attention can be used again. */
SA_API sa_status SA_CALL sa_attention_compute(sa_attention *attention, const sa_tensor *q, const sa_tensor *k, const sa_tensor *v,
    const sa_tensor *o, uint32_t queries, uint32_t keys, const sa_call *call);

/* ---------------------------------------------------------------- cache */

typedef struct sa_cache_options {
    uint32_t size; /* sizeof(sa_cache_options) */
    uint32_t capacity; /* the most keys, at least 1; memory for them is taken at once */
    int32_t dtype; /* how keys and values are stored: SA_F32, SA_F16, SA_BF16 or SA_Q16 */
    int32_t reserved; /* 0 */
} sa_cache_options;

/* A cache for one sequence; an attention serves any number of them and is kept alive by them. */
SA_API sa_status SA_CALL sa_cache_create(sa_attention *attention, const sa_cache_options *options, sa_cache **cache);
SA_API sa_status SA_CALL sa_cache_free(sa_cache *cache);

/* Appends keys and values; they are copied.
 * k, v: [kv_heads, keys, head_dim], any dtype.
 * keys: at least 1; SA_ERROR_CAPACITY if there is no room for all of them. */
SA_API sa_status SA_CALL sa_cache_append(sa_cache *cache, const sa_tensor *k, const sa_tensor *v, uint32_t keys);

/* Forgets all keys from number keys on. keys: 0 to as many as there are. */
SA_API sa_status SA_CALL sa_cache_truncate(sa_cache *cache, uint32_t keys);

/* count, capacity: receive the keys that are there and the most that fit; either may be null. */
SA_API sa_status SA_CALL sa_cache_get_count(sa_cache *cache, uint32_t *count, uint32_t *capacity);

/* output = attention(query, cache): the queries are the last ones of the cached keys. One query is a step of decoding.
 * q, o, queries, call: as for sa_attention_compute. */
SA_API sa_status SA_CALL sa_cache_compute(sa_cache *cache, const sa_tensor *q, const sa_tensor *o, uint32_t queries, const sa_call *call);

/* ---------------------------------------------------------------- plan */

/* Makes buffers and graphs for calls of one shape, so that the first call is as fast as the others. Calls make them by themselves when
 * they meet a new shape. An attention holds max_plans of them: one that had to make room is made anew by the next call.
 * queries, keys: the shape of the calls. */
SA_API sa_status SA_CALL sa_plan_create(sa_attention *attention, uint32_t queries, uint32_t keys, sa_plan **plan);

/* The same for calls on a cache with so many queries, whatever number of keys it holds then. Serves all caches of the same capacity. */
SA_API sa_status SA_CALL sa_plan_create_cached(sa_cache *cache, uint32_t queries, sa_plan **plan);
SA_API sa_status SA_CALL sa_plan_free(sa_plan *plan);

/* sa_attention_compute with the plan's shape. SA_ERROR_ARGUMENT if the plan is for a cache. */
SA_API sa_status SA_CALL sa_plan_compute(sa_plan *plan, const sa_tensor *q, const sa_tensor *k, const sa_tensor *v, const sa_tensor *o,
    const sa_call *call);

/* sa_cache_compute with the plan's queries. SA_ERROR_ARGUMENT if the plan is not for a cache of that attention and capacity. */
SA_API sa_status SA_CALL sa_plan_compute_cached(sa_plan *plan, sa_cache *cache, const sa_tensor *q, const sa_tensor *o,
    const sa_call *call);

/* ---------------------------------------------------------------- cancellation */

SA_API sa_status SA_CALL sa_cancellation_create(sa_cancellation **cancellation);
SA_API sa_status SA_CALL sa_cancellation_free(sa_cancellation *cancellation);

/* Asks all calls that were given it to stop, those under way and those to come. They end within a tile's time, an execution of the NPU
 * is waited for. Not to be called from a signal handler. */
SA_API sa_status SA_CALL sa_cancellation_request(sa_cancellation *cancellation);

/* Lets calls that start from now on run again. */
SA_API sa_status SA_CALL sa_cancellation_reset(sa_cancellation *cancellation);

#ifdef __cplusplus
}
#endif

#endif
