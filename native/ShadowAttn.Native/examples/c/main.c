/*
 * One attention layer of a real model through libshadowattn: a prefill of all queries, then decoding the last ones through a cache, key
 * by key. Both are compared with exact attention. Exit code 0 only if they are close to it.
 *
 *   shadowattn_example TRACE.safetensors [BACKEND]      BACKEND: "soft", or a QNN library; without one the CPU's own pilot
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safetensors.h"
#include "shadowattn.h"

#define CHECK(call)                                                                          \
    do {                                                                                     \
        sa_status status_ = (call);                                                          \
        if (status_ != SA_OK) {                                                              \
            fprintf(stderr, "%s: %s\n", sa_error_name(status_), sa_last_error());            \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

static void log_line(void *user, int32_t level, const char *message) {
    (void)user;
    fprintf(stderr, "log %d: %s\n", (int)level, message);
}

/* Rows [first, first + rows) of every head of a tensor that lies contiguous. The strides stay those of the whole. */
static sa_tensor part(const trace_tensor *t, uint32_t first) {
    sa_tensor tensor = {0};
    size_t element = t->dtype == SA_F32 ? 4 : 2;
    tensor.data = (unsigned char *)t->data + (size_t)first * t->dim * element;
    tensor.head_stride = (int64_t)t->rows * t->dim;
    tensor.row_stride = t->dim;
    tensor.dtype = t->dtype;
    return tensor;
}

/* |a - b| / |b| */
static double distance(const float *a, const float *b, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(difference / norm);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s TRACE.safetensors [BACKEND]\n", argv[0]);
        return 2;
    }
    trace t;
    const char *problem = trace_read(argv[1], &t);
    if (problem) {
        fprintf(stderr, "'%s' %s\n", argv[1], problem);
        return 2;
    }
    const uint32_t heads = t.q.heads, queries = t.q.rows, keys = t.k.rows, dim = t.q.dim;
    const size_t count = (size_t)heads * queries * dim;
    printf("libshadowattn %s on %s: %u heads, %u KV heads, %u queries, %u keys, dim %u\n", sa_version(), sa_isa(), heads, t.k.heads,
        queries, keys, dim);

    CHECK(sa_log_set(log_line, NULL, SA_LOG_WARNING));
    sa_backend *backend = NULL;
    if (argc > 2) {
        char name[128];
        CHECK(sa_backend_open(argv[2], NULL, &backend));
        CHECK(sa_backend_describe(backend, name, sizeof name, NULL));
        printf("backend: %s\n", name);
    }

    sa_attention_options options = {0};
    options.size = sizeof options;
    options.heads = heads;
    options.kv_heads = t.k.heads;
    options.head_dim = dim;
    options.scale = t.scale;
    options.threads = 2;
    options.crossover = SA_CROSSOVER_OFF; /* few keys: exact attention might be faster, and the example is about the other way */
    sa_attention *attention = NULL, *dense = NULL;
    CHECK(sa_attention_create(backend, &options, &attention));
    options.mode = SA_MODE_DENSE;
    CHECK(sa_attention_create(NULL, &options, &dense));

    float *output = malloc(count * sizeof *output);
    float *exact = malloc(count * sizeof *exact);
    if (!output || !exact) {
        return 1;
    }
    memset(output, 0, count * sizeof *output);
    memset(exact, 0, count * sizeof *exact);
    sa_tensor q = part(&t.q, 0), k = part(&t.k, 0), v = part(&t.v, 0);
    sa_tensor o = {0}, e = {0};
    o.data = output;
    e.data = exact;

    /* Prefill. */
    sa_stats stats = {0};
    sa_call call = {0};
    stats.size = sizeof stats;
    call.size = sizeof call;
    call.stats = &stats;
    CHECK(sa_attention_compute(attention, &q, &k, &v, &o, queries, keys, &call));
    CHECK(sa_attention_compute(dense, &q, &k, &v, &e, queries, keys, NULL));
    double prefill = distance(output, exact, count);
    printf("prefill: %.1f %% of the keys in %.2f ms, distance from exact attention %.4f\n",
        100.0 * (double)stats.kept_keys / (double)stats.visible_keys, stats.total_ms, prefill);
    for (uint32_t i = 0; i < stats.operator_count; i++) {
        printf("  %-10s %s %8.3f ms\n", stats.operators[i].name, stats.operators[i].device == SA_DEVICE_NPU ? "npu" : "cpu", stats.operators[i].ms);
    }

    /* Decoding: what the last 32 queries saw, one key at a time. */
    const uint32_t steps = queries < 32 ? queries : 32;
    sa_cache_options cache_options = {0};
    sa_cache *cache = NULL;
    sa_plan *plan = NULL;
    cache_options.size = sizeof cache_options;
    cache_options.capacity = keys;
    cache_options.dtype = t.k.dtype;
    CHECK(sa_cache_create(attention, &cache_options, &cache));
    CHECK(sa_plan_create_cached(cache, 1, &plan));
    if (keys > steps) {
        CHECK(sa_cache_append(cache, &k, &v, keys - steps));
    }
    memset(output, 0, count * sizeof *output);
    double worst = 0;
    for (uint32_t step = 0; step < steps; step++) {
        sa_tensor new_key = part(&t.k, keys - steps + step), new_value = part(&t.v, keys - steps + step);
        sa_tensor query = part(&t.q, queries - steps + step), answer = {0};
        answer.data = output;
        CHECK(sa_cache_append(cache, &new_key, &new_value, 1));
        CHECK(sa_plan_compute_cached(plan, cache, &query, &answer, NULL));
        double difference = 0, norm = 0;
        for (uint32_t head = 0; head < heads; head++) {
            const float *expected = exact + ((size_t)head * queries + queries - steps + step) * dim;
            for (uint32_t d = 0; d < dim; d++) {
                double distant = (double)output[(size_t)head * dim + d] - expected[d];
                difference += distant * distant;
                norm += (double)expected[d] * expected[d];
            }
        }
        worst = fmax(worst, sqrt(difference / norm));
    }
    printf("decode: %u steps, largest distance from exact attention %.4f\n", steps, worst);

    /* What must not work says so. */
    sa_status refused = sa_cache_append(cache, &k, &v, keys);
    int refuses = refused == SA_ERROR_CAPACITY && strlen(sa_last_error()) > 0;

    CHECK(sa_plan_free(plan));
    CHECK(sa_cache_free(cache));
    int stale = sa_cache_free(cache) == SA_ERROR_HANDLE;
    CHECK(sa_attention_free(dense));
    CHECK(sa_attention_free(attention));
    CHECK(sa_backend_free(backend));
    sa_usage usage = {0};
    usage.size = sizeof usage;
    CHECK(sa_usage_get(&usage));
    free(exact);
    free(output);
    trace_free(&t);

    int right = prefill < 0.03 && worst < 0.06 && refuses && stale && usage.handles == 0 && usage.buffers == 0;
    puts(right ? "all right" : "WRONG");
    return right ? 0 : 1;
}
