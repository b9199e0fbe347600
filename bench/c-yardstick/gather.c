/* Gather attention: logits and weighted values of listed keys, for pairs of rows and for single rows. */
#include "yardstick.h"

static inline float32x4_t sum4(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d)
{
    return vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d));
}

INLINE void pair_logits(const float *query0, const float *query1, const float *keys, ptrdiff_t stride, const int dim, const int *list,
                        int count, float power, float *logits0, float *logits1, float *maxima)
{
    float32x4_t max0 = vdupq_n_f32(-INFINITY), max1 = max0;
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        const float *k[4];
        float32x4_t a[4], b[4];
        for (int j = 0; j < 4; j++) {
            k[j] = keys + (uint32_t)list[i + j] * stride;
            a[j] = b[j] = vdupq_n_f32(0);
        }
#pragma clang loop unroll(full)
        for (int d = 0; d < dim; d += 8) {
            float32x4_t p = vld1q_f32(query0 + d), u = vld1q_f32(query0 + d + 4);
            float32x4_t r = vld1q_f32(query1 + d), w = vld1q_f32(query1 + d + 4);
            for (int j = 0; j < 4; j++) {
                float32x4_t x = vld1q_f32(k[j] + d), y = vld1q_f32(k[j] + d + 4);
                a[j] = vfmaq_f32(vfmaq_f32(a[j], x, p), y, u);
                b[j] = vfmaq_f32(vfmaq_f32(b[j], x, r), y, w);
            }
        }
        float32x4_t s = vmulq_n_f32(sum4(a[0], a[1], a[2], a[3]), power);
        float32x4_t t = vmulq_n_f32(sum4(b[0], b[1], b[2], b[3]), power);
        max0 = vmaxq_f32(max0, s);
        max1 = vmaxq_f32(max1, t);
        vst1q_f32(logits0 + i, s);
        vst1q_f32(logits1 + i, t);
    }
    for (; i < count; i++) {
        const float *k = keys + (uint32_t)list[i] * stride;
        float32x4_t a = vdupq_n_f32(0), b = a, c = a, e = a;
#pragma clang loop unroll_count(2)
        for (int d = 0; d < dim; d += 8) {
            float32x4_t x = vld1q_f32(k + d), y = vld1q_f32(k + d + 4);
            a = vfmaq_f32(a, x, vld1q_f32(query0 + d));
            b = vfmaq_f32(b, x, vld1q_f32(query1 + d));
            c = vfmaq_f32(c, y, vld1q_f32(query0 + d + 4));
            e = vfmaq_f32(e, y, vld1q_f32(query1 + d + 4));
        }
        logits0[i] = vaddvq_f32(vaddq_f32(a, c)) * power;
        logits1[i] = vaddvq_f32(vaddq_f32(b, e)) * power;
        max0 = vmaxq_f32(max0, vdupq_n_f32(logits0[i]));
        max1 = vmaxq_f32(max1, vdupq_n_f32(logits1[i]));
    }
    vst1q_f32(maxima, max0);
    vst1q_f32(maxima + 4, max1);
}

void yardstick_pair_logits(const float *query0, const float *query1, const float *keys, ptrdiff_t stride, int dim, const int *list,
                           int count, float power, float *logits0, float *logits1, float *maxima)
{
    if (dim == 64)
        pair_logits(query0, query1, keys, stride, 64, list, count, power, logits0, logits1, maxima);
    else
        pair_logits(query0, query1, keys, stride, 128, list, count, power, logits0, logits1, maxima);
}

INLINE void row_logits(const float *query, const float *keys, ptrdiff_t stride, const int dim, const int *list, int count, float power,
                       float *logits, float *maxima)
{
    float32x4_t max = vld1q_f32(maxima);
    int i = 0;
    for (; i + 4 <= count; i += 4) {
        const float *k[4];
        float32x4_t a[4];
        for (int j = 0; j < 4; j++) {
            k[j] = keys + (uint32_t)list[i + j] * stride;
            a[j] = vdupq_n_f32(0);
        }
#pragma clang loop unroll(full)
        for (int d = 0; d < dim; d += 8) {
            float32x4_t p = vld1q_f32(query + d), u = vld1q_f32(query + d + 4);
            for (int j = 0; j < 4; j++)
                a[j] = vfmaq_f32(vfmaq_f32(a[j], vld1q_f32(k[j] + d), p), vld1q_f32(k[j] + d + 4), u);
        }
        float32x4_t s = vmulq_n_f32(sum4(a[0], a[1], a[2], a[3]), power);
        max = vmaxq_f32(max, s);
        vst1q_f32(logits + i, s);
    }
    for (; i < count; i++) {
        const float *k = keys + (uint32_t)list[i] * stride;
        float32x4_t a = vdupq_n_f32(0), b = a;
#pragma clang loop unroll_count(2)
        for (int d = 0; d < dim; d += 8) {
            a = vfmaq_f32(a, vld1q_f32(k + d), vld1q_f32(query + d));
            b = vfmaq_f32(b, vld1q_f32(k + d + 4), vld1q_f32(query + d + 4));
        }
        logits[i] = vaddvq_f32(vaddq_f32(a, b)) * power;
        max = vmaxq_f32(max, vdupq_n_f32(logits[i]));
    }
    vst1q_f32(maxima, max);
}

void yardstick_row_logits(const float *query, const float *keys, ptrdiff_t stride, int dim, const int *list, int count, float power,
                          float *logits, float *maxima)
{
    if (dim == 64)
        row_logits(query, keys, stride, 64, list, count, power, logits, maxima);
    else
        row_logits(query, keys, stride, 128, list, count, power, logits, maxima);
}

enum { PAIR_VECTORS = 8, ROW_VECTORS = 16 };

#define PAIR_KEY(lane)                                                          \
    do {                                                                        \
        const float *v = values + (uint32_t)list[i + lane] * stride + d;        \
        for (int j = 0; j < PAIR_VECTORS; j++) {                                \
            float32x4_t x = vld1q_f32(v + 4 * j);                               \
            s[j] = vfmaq_laneq_f32(s[j], x, w, lane);                           \
            t[j] = vfmaq_laneq_f32(t[j], x, u, lane);                           \
        }                                                                       \
    } while (0)

void yardstick_pair_values(const float *values, ptrdiff_t stride, int dim, const int *list, int count, const float *weights0,
                           const float *weights1, float *sums0, float *sums1)
{
    for (int d = 0; d < dim; d += 4 * PAIR_VECTORS) {
        float32x4_t s[PAIR_VECTORS], t[PAIR_VECTORS];
        for (int j = 0; j < PAIR_VECTORS; j++)
            s[j] = t[j] = vdupq_n_f32(0);
        int i = 0;
        for (; i + 4 <= count; i += 4) {
            float32x4_t w = vld1q_f32(weights0 + i), u = vld1q_f32(weights1 + i);
            PAIR_KEY(0);
            PAIR_KEY(1);
            PAIR_KEY(2);
            PAIR_KEY(3);
        }
        for (; i < count; i++) {
            float32x4_t w = vld1q_dup_f32(weights0 + i), u = vld1q_dup_f32(weights1 + i);
            PAIR_KEY(0);
        }
        for (int j = 0; j < PAIR_VECTORS; j++) {
            vst1q_f32(sums0 + d + 4 * j, s[j]);
            vst1q_f32(sums1 + d + 4 * j, t[j]);
        }
    }
}

#define ROW_KEY(lane)                                                           \
    do {                                                                        \
        const float *v = values + (uint32_t)list[i + lane] * stride + d;        \
        for (int j = 0; j < ROW_VECTORS; j++)                                   \
            s[j] = vfmaq_laneq_f32(s[j], vld1q_f32(v + 4 * j), w, lane);        \
    } while (0)

void yardstick_row_values(const float *values, ptrdiff_t stride, int dim, const int *list, int count, const float *weights,
                          const float *start, float factor, float *output)
{
    for (int d = 0; d < dim; d += 4 * ROW_VECTORS) {
        float32x4_t s[ROW_VECTORS];
        for (int j = 0; j < ROW_VECTORS; j++)
            s[j] = vld1q_f32(start + d + 4 * j);
        int i = 0;
        for (; i + 4 <= count; i += 4) {
            float32x4_t w = vld1q_f32(weights + i);
            ROW_KEY(0);
            ROW_KEY(1);
            ROW_KEY(2);
            ROW_KEY(3);
        }
        for (; i < count; i++) {
            float32x4_t w = vld1q_dup_f32(weights + i);
            ROW_KEY(0);
        }
        for (int j = 0; j < ROW_VECTORS; j++)
            vst1q_f32(output + d + 4 * j, vmulq_n_f32(s[j], factor));
    }
}
