/* Dense causal attention: tiles of 8 rows, blocks of 256 keys with a running maximum; keys as panels [tokens/8][dim][8]. */
#include "yardstick.h"

enum { TILE = 8, KEYS = 256 };

/* 2^x for x <= 0, below -126 as -126. */
static inline float32x4_t weight(float32x4_t x)
{
    const float32x4_t rounder = vdupq_n_f32(12582912.f);
    x = vmaxq_f32(x, vdupq_n_f32(-126));
    float32x4_t rounded = vaddq_f32(x, rounder);
    float32x4_t r = vsubq_f32(x, vsubq_f32(rounded, rounder)), r2 = vmulq_f32(r, r);
    float32x4_t high = vfmaq_f32(vdupq_n_f32(0.00967151299f), r, vdupq_n_f32(0.00132647273f));
    float32x4_t middle = vfmaq_f32(vdupq_n_f32(0.240222424f), r, vdupq_n_f32(0.0555073358f));
    float32x4_t low = vfmaq_f32(vdupq_n_f32(1), r, vdupq_n_f32(0.693147004f));
    middle = vfmaq_f32(middle, r2, high);
    return vreinterpretq_f32_s32(vaddq_s32(
        vreinterpretq_s32_f32(vfmaq_f32(low, r2, middle)), vshlq_n_s32(vreinterpretq_s32_f32(rounded), 23)));
}

#define BY_ELEMENT(j, vector, lane)                                             \
    a[j] = vfmaq_laneq_f32(a[j], x, vector, lane);                              \
    b[j] = vfmaq_laneq_f32(b[j], y, vector, lane)

#define BY_ELEMENTS(p, r)                                                       \
    BY_ELEMENT(0, p, 0);                                                        \
    BY_ELEMENT(1, p, 1);                                                        \
    BY_ELEMENT(2, p, 2);                                                        \
    BY_ELEMENT(3, p, 3);                                                        \
    BY_ELEMENT(4, r, 0);                                                        \
    BY_ELEMENT(5, r, 1);                                                        \
    BY_ELEMENT(6, r, 2);                                                        \
    BY_ELEMENT(7, r, 3)

/* logits [panels*8][8 rows]; maxima [8] take part. */
INLINE void logits_tile(const float *queries, const float *packed, int panels, const int dim, float *logits, float *maxima)
{
    float32x4_t max0 = vld1q_f32(maxima), max1 = vld1q_f32(maxima + 4);
    for (int panel = 0; panel < panels; panel++, logits += TILE * TILE, packed += TILE * dim) {
        float32x4_t a[8], b[8];
        for (int j = 0; j < 8; j++)
            a[j] = b[j] = vdupq_n_f32(0);
#pragma clang loop unroll_count(4)
        for (int d = 0; d < dim; d++) {
            float32x4_t x = vld1q_f32(queries + TILE * d), y = vld1q_f32(queries + TILE * d + 4);
            float32x4_t p = vld1q_f32(packed + TILE * d), r = vld1q_f32(packed + TILE * d + 4);
            BY_ELEMENTS(p, r);
        }
        for (int j = 0; j < 8; j++) {
            vst1q_f32(logits + TILE * j, a[j]);
            vst1q_f32(logits + TILE * j + 4, b[j]);
            max0 = vmaxq_f32(max0, a[j]);
            max1 = vmaxq_f32(max1, b[j]);
        }
    }
    vst1q_f32(maxima, max0);
    vst1q_f32(maxima + 4, max1);
}

INLINE void values_tile(const float *weights, const float *values, const int dim, int keys, const float *running, float32x4_t factor0,
                        float32x4_t factor1, float32x4_t scale0, float32x4_t scale1, float *output)
{
    float32x4_t a[8], b[8];
    for (int j = 0; j < 8; j++)
        a[j] = b[j] = vdupq_n_f32(0);
#pragma clang loop unroll_count(4)
    for (int key = 0; key < keys; key++) {
        float32x4_t x = vld1q_f32(values + (ptrdiff_t)key * dim), y = vld1q_f32(values + (ptrdiff_t)key * dim + 4);
        float32x4_t p = vld1q_f32(weights + TILE * key), r = vld1q_f32(weights + TILE * key + 4);
        BY_ELEMENTS(p, r);
    }
    for (int j = 0; j < 8; j++) {
        float32x4_t f = vdupq_n_f32(j < 4 ? factor0[j & 3] : factor1[j & 3]), s = vdupq_n_f32(j < 4 ? scale0[j & 3] : scale1[j & 3]);
        if (running) {
            a[j] = vfmaq_f32(a[j], vld1q_f32(running + j * dim), f);
            b[j] = vfmaq_f32(b[j], vld1q_f32(running + j * dim + 4), f);
        }
        vst1q_f32(output + j * dim, vmulq_f32(a[j], s));
        vst1q_f32(output + j * dim + 4, vmulq_f32(b[j], s));
    }
}

/* One tile of rows against one block of keys; row r of the tile sees first + r + 1 keys of the block. */
INLINE void block(const float *queries, const float *packed, const float *values, const int dim, int first, int keys, int is_first, int is_last,
                  float *maxima, float *sums, float *running, float *output, float *weights)
{
    float old[TILE];
    memcpy(old, maxima, sizeof old);
    int common = first + 1 < keys ? (first + 1) & ~7 : keys;
    logits_tile(queries, packed, common / TILE, dim, weights, maxima);
    if (common < keys) {
        float all[TILE];
        for (int r = 0; r < TILE; r++)
            all[r] = -INFINITY;
        logits_tile(queries, packed + (ptrdiff_t)common * dim, 1, dim, weights + common * TILE, all);
        float32x4_t max0 = vld1q_f32(maxima), max1 = vld1q_f32(maxima + 4);
        static const int32_t rows[TILE] = { 0, 1, 2, 3, 4, 5, 6, 7 };
        for (int key = common; key < keys; key++) {
            int32x4_t sees = vdupq_n_s32(key - first);
            float *w = weights + key * TILE;
            float32x4_t a = vbslq_f32(vcgeq_s32(vld1q_s32(rows), sees), vld1q_f32(w), vdupq_n_f32(-INFINITY));
            float32x4_t b = vbslq_f32(vcgeq_s32(vld1q_s32(rows + 4), sees), vld1q_f32(w + 4), vdupq_n_f32(-INFINITY));
            vst1q_f32(w, a);
            vst1q_f32(w + 4, b);
            max0 = vmaxq_f32(max0, a);
            max1 = vmaxq_f32(max1, b);
        }
        vst1q_f32(maxima, max0);
        vst1q_f32(maxima + 4, max1);
    }
    float32x4_t max0 = vld1q_f32(maxima), max1 = vld1q_f32(maxima + 4);
    float32x4_t factor0 = weight(vsubq_f32(vld1q_f32(old), max0)), factor1 = weight(vsubq_f32(vld1q_f32(old + 4), max1));
    float32x4_t sum0 = vmulq_f32(vld1q_f32(sums), factor0), sum1 = vmulq_f32(vld1q_f32(sums + 4), factor1);
    for (int key = 0; key < common; key++) {
        float *w = weights + key * TILE;
        float32x4_t a = weight(vsubq_f32(vld1q_f32(w), max0)), b = weight(vsubq_f32(vld1q_f32(w + 4), max1));
        vst1q_f32(w, a);
        vst1q_f32(w + 4, b);
        sum0 = vaddq_f32(sum0, a);
        sum1 = vaddq_f32(sum1, b);
    }
    for (int key = common; key < keys; key++) {
        float *w = weights + key * TILE;
        float32x4_t none = vdupq_n_f32(-INFINITY), a = vld1q_f32(w), b = vld1q_f32(w + 4);
        a = vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(weight(vsubq_f32(a, max0))), vceqq_f32(a, none)));
        b = vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(weight(vsubq_f32(b, max1))), vceqq_f32(b, none)));
        vst1q_f32(w, a);
        vst1q_f32(w + 4, b);
        sum0 = vaddq_f32(sum0, a);
        sum1 = vaddq_f32(sum1, b);
    }
    vst1q_f32(sums, sum0);
    vst1q_f32(sums + 4, sum1);
    float32x4_t one = vdupq_n_f32(1);
    float32x4_t scale0 = is_last ? vdivq_f32(one, sum0) : one, scale1 = is_last ? vdivq_f32(one, sum1) : one;
    for (int d = 0; d < dim; d += 8)
        values_tile(weights, values + d, dim, keys, is_first ? NULL : running + d, factor0, factor1, scale0, scale1, (is_last ? output : running) + d);
}

INLINE void dense(const float *queries, const float *packed, const float *values, int tokens, const int dim, float scale, float *output,
                  float *scratch)
{
    float *transposed = scratch, *running = transposed + TILE * dim, *weights = running + TILE * dim;
    float power = scale * 1.44269504f;
    for (int row = 0; row < tokens; row += TILE) {
        float maxima[TILE], sums[TILE] = { 0 };
        for (int r = 0; r < TILE; r++)
            maxima[r] = -INFINITY;
        for (int d = 0; d < dim; d += 4)
            for (int half = 0; half < 2; half++) {
                const float *q = queries + (ptrdiff_t)(row + 4 * half) * dim + d;
                float32x4_t a = vmulq_n_f32(vld1q_f32(q), power), b = vmulq_n_f32(vld1q_f32(q + dim), power);
                float32x4_t c = vmulq_n_f32(vld1q_f32(q + 2 * dim), power), e = vmulq_n_f32(vld1q_f32(q + 3 * dim), power);
                float64x2_t ab0 = vreinterpretq_f64_f32(vtrn1q_f32(a, b)), ab1 = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
                float64x2_t ce0 = vreinterpretq_f64_f32(vtrn1q_f32(c, e)), ce1 = vreinterpretq_f64_f32(vtrn2q_f32(c, e));
                float *t = transposed + TILE * d + 4 * half;
                vst1q_f32(t, vreinterpretq_f32_f64(vtrn1q_f64(ab0, ce0)));
                vst1q_f32(t + TILE, vreinterpretq_f32_f64(vtrn1q_f64(ab1, ce1)));
                vst1q_f32(t + 2 * TILE, vreinterpretq_f32_f64(vtrn2q_f64(ab0, ce0)));
                vst1q_f32(t + 3 * TILE, vreinterpretq_f32_f64(vtrn2q_f64(ab1, ce1)));
            }
        int visible = row + TILE;
        for (int key = 0; key < visible; key += KEYS) {
            int keys = visible - key < KEYS ? visible - key : KEYS;
            block(transposed, packed + (ptrdiff_t)key * dim, values + (ptrdiff_t)key * dim, dim, row - key, keys, key == 0, key + keys == visible,
                  maxima, sums, running, output + (ptrdiff_t)row * dim, weights);
        }
    }
}

void yardstick_dense(const float *queries, const float *packed, const float *values, int tokens, int dim, float scale, float *output,
                     float *scratch)
{
    if (dim == 64)
        dense(queries, packed, values, tokens, 64, scale, output, scratch);
    else
        dense(queries, packed, values, tokens, 128, scale, output, scratch);
}
