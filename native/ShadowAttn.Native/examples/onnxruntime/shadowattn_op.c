/*
 * com.shadowattn::ShadowAttention for ONNX Runtime: attention with grouped heads in the layout of com.microsoft::GroupQueryAttention, fp32,
 * on the CPU. A session takes it with RegisterCustomOpsLibrary.
 *
 * Inputs:   query       [batch, sequence, num_heads * head_dim]
 *           key, value  [batch, sequence, kv_num_heads * head_dim]
 *           past_key, past_value   [batch, kv_num_heads, past, head_dim], optional: the keys and values before these
 *           seqlens_k   int32 [batch], optional: keys of each sequence - 1, for pasts that are padded at their end
 * Outputs:  output      [batch, sequence, num_heads * head_dim]
 *           present_key, present_value   [batch, kv_num_heads, past + sequence, head_dim], optional without a past
 * Attributes: num_heads, kv_num_heads; scale (1 / sqrt(head_dim)), keep (0.2), min_keys (64), crossover (1: on), mode (SA_MODE_AUTO)
 *
 * Tensors are used where they are: the strides say that heads lie side by side in a row. Key and value may have more rows than query when
 * there is no past: queries are the last ones of the keys.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxruntime_c_api.h"
#include "shadowattn.h"

enum { QUERY, KEY, VALUE, PAST_KEY, PAST_VALUE, SEQLENS, INPUTS };
enum { OUTPUT, PRESENT_KEY, PRESENT_VALUE, OUTPUTS };

/* Concurrent runs of one session, at most; more wait. Each computes with an attention of its own, as one takes one call at a time. */
enum { MAX_RUNS = 16 };

typedef struct kernel {
    const OrtApi *api;
    sa_attention_options options; /* head_dim comes with the first call */
    sa_workers *workers;
    struct {
        atomic_flag taken;
        sa_attention *attention;
        uint32_t head_dim;
    } runs[MAX_RUNS];
} kernel;

#define TRY(call)                       \
    do {                                \
        OrtStatus *status_ = (call);    \
        if (status_ != NULL) {          \
            return status_;             \
        }                               \
    } while (0)

static OrtStatus *fail(const OrtApi *api, const char *message) { return api->CreateStatus(ORT_INVALID_ARGUMENT, message); }

static OrtStatus *from_library(const OrtApi *api, sa_status status) {
    return status == SA_OK ? NULL : api->CreateStatus(status == SA_ERROR_ARGUMENT ? ORT_INVALID_ARGUMENT : ORT_FAIL, sa_last_error());
}

/* ---------------------------------------------------------------- the kernel's life */

static int64_t whole(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t otherwise) {
    int64_t value;
    OrtStatus *status = api->KernelInfoGetAttribute_int64(info, name, &value);
    if (status != NULL) {
        api->ReleaseStatus(status);
        return otherwise;
    }
    return value;
}

static float real(const OrtApi *api, const OrtKernelInfo *info, const char *name, float otherwise) {
    float value;
    OrtStatus *status = api->KernelInfoGetAttribute_float(info, name, &value);
    if (status != NULL) {
        api->ReleaseStatus(status);
        return otherwise;
    }
    return value;
}

static void ORT_API_CALL kernel_destroy(void *op_kernel) {
    kernel *k = op_kernel;
    for (int i = 0; i < MAX_RUNS; i++) {
        sa_attention_free(k->runs[i].attention);
    }
    sa_workers_free(k->workers);
    free(k);
}

static OrtStatus *ORT_API_CALL kernel_create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **out) {
    (void)op;
    const int64_t heads = whole(api, info, "num_heads", 0), kv_heads = whole(api, info, "kv_num_heads", heads);
    const int64_t min_keys = whole(api, info, "min_keys", 0), mode = whole(api, info, "mode", SA_MODE_AUTO);
    if (heads < 1 || heads > 65536 || kv_heads < 1 || kv_heads > heads || min_keys < 0 || min_keys > INT32_MAX || mode < 0 || mode > INT32_MAX) {
        return fail(api, "ShadowAttention: num_heads and kv_num_heads must be set, num_heads a multiple of kv_num_heads; min_keys and mode must not be negative");
    }
    kernel *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return api->CreateStatus(ORT_FAIL, "ShadowAttention: not enough memory");
    }
    for (int i = 0; i < MAX_RUNS; i++) {
        atomic_flag_clear(&k->runs[i].taken);
    }
    k->api = api;
    k->options.size = sizeof k->options;
    k->options.heads = (uint32_t)heads;
    k->options.kv_heads = (uint32_t)kv_heads;
    k->options.min_keys = (uint32_t)min_keys;
    k->options.mode = (int32_t)mode;
    k->options.scale = real(api, info, "scale", 0);
    k->options.keep = real(api, info, "keep", 0);
    k->options.crossover = whole(api, info, "crossover", 1) != 0 ? SA_CROSSOVER_ON : SA_CROSSOVER_OFF;
    sa_status status = sa_workers_create(0, &k->workers);
    k->options.workers = k->workers;
    if (status != SA_OK) {
        free(k);
        return from_library(api, status);
    }
    *out = k;
    return NULL;
}

/* ---------------------------------------------------------------- tensors */

typedef struct shape {
    int64_t length[4];
    size_t rank;
} shape;

static OrtStatus *shape_of(const OrtApi *api, const OrtValue *value, shape *s) {
    OrtTensorTypeAndShapeInfo *info;
    TRY(api->GetTensorTypeAndShape(value, &info));
    OrtStatus *status = api->GetDimensionsCount(info, &s->rank);
    if (status == NULL) {
        status = s->rank <= 4 ? api->GetDimensions(info, s->length, s->rank) : fail(api, "ShadowAttention: a tensor has more than four dimensions");
    }
    api->ReleaseTensorTypeAndShapeInfo(info);
    return status;
}

/* Heads of a row lie side by side, as in query, key, value and output. */
static sa_tensor side_by_side(const float *data, int64_t heads, int64_t dim) {
    sa_tensor t = {0};
    t.data = (void *)(uintptr_t)data;
    t.head_stride = dim;
    t.row_stride = heads * dim;
    return t;
}

/* A head behind the other, as in past and present. */
static sa_tensor one_by_one(const float *data, int64_t capacity, int64_t dim) {
    sa_tensor t = {0};
    t.data = (void *)(uintptr_t)data;
    t.head_stride = capacity * dim;
    return t;
}

/* present = past[:before] followed by rows, for the heads of one sequence; what is behind them is zero. */
static void append(float *present, int64_t capacity, const float *past, int64_t past_capacity, int64_t before, const float *rows, int64_t new_rows,
    int64_t heads, int64_t dim) {
    for (int64_t h = 0; h < heads; h++) {
        float *to = present + h * capacity * dim;
        if (before > 0) {
            memcpy(to, past + h * past_capacity * dim, (size_t)(before * dim) * sizeof *to);
        }
        for (int64_t r = 0; r < new_rows; r++) {
            memcpy(to + (before + r) * dim, rows + (r * heads + h) * dim, (size_t)dim * sizeof *to);
        }
        memset(to + (before + new_rows) * dim, 0, (size_t)((capacity - before - new_rows) * dim) * sizeof *to);
    }
}

/* ---------------------------------------------------------------- a call */

static int take_run(kernel *k) {
    for (;;) {
        for (int i = 0; i < MAX_RUNS; i++) {
            if (!atomic_flag_test_and_set(&k->runs[i].taken)) {
                return i;
            }
        }
        sched_yield();
    }
}

static OrtStatus *compute_batch(kernel *k, OrtKernelContext *context, sa_attention *attention, const OrtValue *const *in, const shape *q, const shape *kv,
    int64_t past) {
    const OrtApi *api = k->api;
    const int64_t heads = k->options.heads, kv_heads = k->options.kv_heads, dim = q->length[2] / heads, batches = q->length[0];
    const int64_t queries = q->length[1], rows = kv->length[1], capacity = past + rows;
    const int64_t present_shape[4] = {batches, kv_heads, capacity, dim};
    const void *data[INPUTS] = {0};
    for (int i = 0; i < INPUTS; i++) {
        if (in[i] != NULL) {
            TRY(api->GetTensorMutableData((OrtValue *)(uintptr_t)in[i], (void **)(uintptr_t)&data[i]));
        }
    }
    OrtValue *out[OUTPUTS] = {0};
    void *result[OUTPUTS] = {0};
    TRY(api->KernelContext_GetOutput(context, OUTPUT, q->length, 3, &out[OUTPUT]));
    TRY(api->KernelContext_GetOutput(context, PRESENT_KEY, present_shape, 4, &out[PRESENT_KEY]));
    TRY(api->KernelContext_GetOutput(context, PRESENT_VALUE, present_shape, 4, &out[PRESENT_VALUE]));
    for (int i = 0; i < OUTPUTS; i++) {
        if (out[i] != NULL) {
            TRY(api->GetTensorMutableData(out[i], &result[i]));
        }
    }
    const int whole_present = result[PRESENT_KEY] != NULL && result[PRESENT_VALUE] != NULL;
    if ((data[PAST_KEY] != NULL || data[SEQLENS] != NULL) && !whole_present) {
        return fail(api, "ShadowAttention: with past_key or seqlens_k, present_key and present_value are needed too");
    }

    for (int64_t b = 0; b < batches; b++) {
        const int64_t total = data[SEQLENS] != NULL ? (int64_t)((const int32_t *)data[SEQLENS])[b] + 1 : capacity;
        const int64_t before = total - rows;
        if (before < 0 || before > past) {
            return fail(api, "ShadowAttention: seqlens_k must be sequence - 1 to past + sequence - 1");
        }
        const float *key = (const float *)data[KEY] + b * rows * kv_heads * dim, *value = (const float *)data[VALUE] + b * rows * kv_heads * dim;
        sa_tensor tq = side_by_side((const float *)data[QUERY] + b * queries * heads * dim, heads, dim);
        sa_tensor to = side_by_side((const float *)result[OUTPUT] + b * queries * heads * dim, heads, dim);
        sa_tensor tk = side_by_side(key, kv_heads, dim), tv = side_by_side(value, kv_heads, dim);
        const int64_t past_offset = b * kv_heads * past * dim, present_offset = b * kv_heads * capacity * dim;
        if (whole_present) {
            float *present_key = (float *)result[PRESENT_KEY] + present_offset, *present_value = (float *)result[PRESENT_VALUE] + present_offset;
            append(present_key, capacity, (const float *)data[PAST_KEY] + past_offset, past, before, key, rows, kv_heads, dim);
            append(present_value, capacity, (const float *)data[PAST_VALUE] + past_offset, past, before, value, rows, kv_heads, dim);
            tk = one_by_one(present_key, capacity, dim);
            tv = one_by_one(present_value, capacity, dim);
        }
        TRY(from_library(api, sa_attention_compute(attention, &tq, &tk, &tv, &to, (uint32_t)queries, (uint32_t)total, NULL)));
    }
    return NULL;
}

static OrtStatus *ORT_API_CALL kernel_compute(void *op_kernel, OrtKernelContext *context) {
    kernel *k = op_kernel;
    const OrtApi *api = k->api;
    const OrtValue *in[INPUTS] = {0};
    shape shapes[INPUTS];
    memset(shapes, 0, sizeof shapes);
    size_t count;
    TRY(api->KernelContext_GetInputCount(context, &count));
    for (size_t i = 0; i < INPUTS && i < count; i++) {
        TRY(api->KernelContext_GetInput(context, i, &in[i]));
        if (in[i] != NULL) {
            TRY(shape_of(api, in[i], &shapes[i]));
        }
    }
    const shape *q = &shapes[QUERY], *kv = &shapes[KEY], *v = &shapes[VALUE], *p = &shapes[PAST_KEY], *pv = &shapes[PAST_VALUE];
    const int64_t heads = k->options.heads, kv_heads = k->options.kv_heads;
    const int64_t dim = q->rank == 3 ? q->length[2] / heads : 0;
    if (dim < 1 || q->length[2] != heads * dim || kv->rank != 3 || v->rank != 3 || kv->length[2] != kv_heads * dim || memcmp(kv, v, sizeof *kv) != 0 ||
        kv->length[0] != q->length[0]) {
        return fail(api, "ShadowAttention: query must be [batch, sequence, num_heads * head_dim], key and value [batch, sequence, kv_num_heads * head_dim]");
    }
    if (q->length[0] < 1 || q->length[1] < 1 || q->length[1] > INT32_MAX || kv->length[1] < q->length[1] || kv->length[1] > INT32_MAX) {
        return fail(api, "ShadowAttention: there must be a query, and no more queries than keys");
    }
    if ((in[PAST_KEY] != NULL) != (in[PAST_VALUE] != NULL) || memcmp(p, pv, sizeof *p) != 0 ||
        (in[PAST_KEY] != NULL && (p->rank != 4 || p->length[0] != q->length[0] || p->length[1] != kv_heads || p->length[2] > INT32_MAX ||
            p->length[3] != dim || kv->length[1] != q->length[1]))) {
        return fail(api, "ShadowAttention: past_key and past_value must be [batch, kv_num_heads, past, head_dim], and key as long as query with them");
    }
    if (in[SEQLENS] != NULL && (shapes[SEQLENS].rank != 1 || shapes[SEQLENS].length[0] != q->length[0])) {
        return fail(api, "ShadowAttention: seqlens_k must be [batch]");
    }

    const int run = take_run(k);
    OrtStatus *status = NULL;
    if (k->runs[run].head_dim != (uint32_t)dim) {
        sa_attention_options options = k->options;
        options.head_dim = (uint32_t)dim;
        sa_attention_free(k->runs[run].attention);
        k->runs[run].head_dim = 0;
        status = from_library(api, sa_attention_create(NULL, &options, &k->runs[run].attention));
        if (status == NULL) {
            k->runs[run].head_dim = (uint32_t)dim;
        }
    }
    if (status == NULL) {
        status = compute_batch(k, context, k->runs[run].attention, in, q, kv, in[PAST_KEY] != NULL ? p->length[2] : 0);
    }
    atomic_flag_clear(&k->runs[run].taken);
    return status;
}

/* ---------------------------------------------------------------- what ONNX Runtime asks about the operator */

static const char *ORT_API_CALL name(const OrtCustomOp *op) {
    (void)op;
    return "ShadowAttention";
}

static const char *ORT_API_CALL provider(const OrtCustomOp *op) {
    (void)op;
    return NULL; /* the CPU's */
}

static size_t ORT_API_CALL input_count(const OrtCustomOp *op) {
    (void)op;
    return INPUTS;
}

static size_t ORT_API_CALL output_count(const OrtCustomOp *op) {
    (void)op;
    return OUTPUTS;
}

static ONNXTensorElementDataType ORT_API_CALL input_type(const OrtCustomOp *op, size_t index) {
    (void)op;
    return index == SEQLENS ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

static ONNXTensorElementDataType ORT_API_CALL output_type(const OrtCustomOp *op, size_t index) {
    (void)op;
    (void)index;
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

static OrtCustomOpInputOutputCharacteristic ORT_API_CALL input_kind(const OrtCustomOp *op, size_t index) {
    (void)op;
    return index <= VALUE ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
}

static OrtCustomOpInputOutputCharacteristic ORT_API_CALL output_kind(const OrtCustomOp *op, size_t index) {
    (void)op;
    return index == OUTPUT ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
}

static OrtMemType ORT_API_CALL memory(const OrtCustomOp *op, size_t index) {
    (void)op;
    (void)index;
    return OrtMemTypeDefault;
}

static int ORT_API_CALL one(const OrtCustomOp *op) {
    (void)op;
    return 1;
}

static int ORT_API_CALL no_end(const OrtCustomOp *op) {
    (void)op;
    return INT32_MAX;
}

static const OrtCustomOp operator_table = {
    .version = ORT_API_VERSION,
    .GetName = name,
    .GetExecutionProviderType = provider,
    .GetInputType = input_type,
    .GetInputTypeCount = input_count,
    .GetOutputType = output_type,
    .GetOutputTypeCount = output_count,
    .KernelDestroy = kernel_destroy,
    .GetInputCharacteristic = input_kind,
    .GetOutputCharacteristic = output_kind,
    .GetInputMemoryType = memory,
    .GetVariadicInputMinArity = one,
    .GetVariadicInputHomogeneity = one,
    .GetVariadicOutputMinArity = one,
    .GetVariadicOutputHomogeneity = one,
    .CreateKernelV2 = kernel_create,
    .KernelComputeV2 = kernel_compute,
    .GetStartVersion = one,
    .GetEndVersion = no_end,
};

/* What RegisterCustomOpsLibrary looks for. The domain lives as long as the process: sessions refer to it. */
__attribute__((visibility("default"))) OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

OrtStatus *ORT_API_CALL RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
    static OrtCustomOpDomain *domain;
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    const OrtApi *api = base->GetApi(ORT_API_VERSION);
    if (api == NULL) {
        char message[128];
        snprintf(message, sizeof message, "shadowattn_onnxruntime needs ONNX Runtime's API %d; this is %s", ORT_API_VERSION, base->GetVersionString());
        return base->GetApi(1)->CreateStatus(ORT_FAIL, message);
    }
    while (atomic_flag_test_and_set(&busy)) {
        sched_yield();
    }
    OrtStatus *status = NULL;
    if (domain == NULL) {
        status = api->CreateCustomOpDomain("com.shadowattn", &domain);
        if (status == NULL) {
            status = api->CustomOpDomain_Add(domain, &operator_table);
        }
    }
    if (status == NULL) {
        status = api->AddCustomOpDomain(options, domain);
    }
    atomic_flag_clear(&busy);
    return status;
}
