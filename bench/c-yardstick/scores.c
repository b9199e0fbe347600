/* INT8 scores of causal rows: scores[r, k] = clamp(round(q8_r . k8_k / dim), -128, 127) for the keys up to the tile of row r. */
#include "yardstick.h"

/* Rounding shift by log2(dim) and narrowing to 16 bits. */
#define NARROW(a, b)                                                            \
    (dim == 64 ? vqrshrn_high_n_s32(vqrshrn_n_s32(a, 6), b, 6) : vqrshrn_high_n_s32(vqrshrn_n_s32(a, 7), b, 7))

#define DOT_KEYS(row, query, lane)                                              \
    a[row] = vdotq_laneq_s32(a[row], x, query, lane);                           \
    b[row] = vdotq_laneq_s32(b[row], y, query, lane)

/* 8 rows x 8 keys; queries and keys as [dim/4][8][4]. */
INLINE void dot_tiles(const int8_t *queries, const int8_t *keys, int tiles, const int dim, int8_t *scores, ptrdiff_t stride)
{
    for (int tile = 0; tile < tiles; tile++, keys += 8 * dim, scores += 8) {
        int32x4_t a[8], b[8];
        for (int r = 0; r < 8; r++)
            a[r] = b[r] = vdupq_n_s32(0);
#pragma clang loop unroll_count(4)
        for (int g = 0; g < dim / 4; g++) {
            int8x16_t x = vld1q_s8(keys + 32 * g), y = vld1q_s8(keys + 32 * g + 16);
            int8x16_t p = vld1q_s8(queries + 32 * g), r = vld1q_s8(queries + 32 * g + 16);
            DOT_KEYS(0, p, 0);
            DOT_KEYS(1, p, 1);
            DOT_KEYS(2, p, 2);
            DOT_KEYS(3, p, 3);
            DOT_KEYS(4, r, 0);
            DOT_KEYS(5, r, 1);
            DOT_KEYS(6, r, 2);
            DOT_KEYS(7, r, 3);
        }
        for (int r = 0; r < 8; r++)
            vst1_s8(scores + r * stride, vqmovn_s16(NARROW(a[r], b[r])));
    }
}

INLINE void pack_dot(const int8_t *source, const int dim, int8_t *packed)
{
    for (int d = 0; d < dim; d += 16)
        for (int half = 0; half < 2; half++) {
            const int8_t *s = source + d + 4 * half * dim;
            int32x4_t a = vreinterpretq_s32_s8(vld1q_s8(s)), b = vreinterpretq_s32_s8(vld1q_s8(s + dim));
            int32x4_t c = vreinterpretq_s32_s8(vld1q_s8(s + 2 * dim)), e = vreinterpretq_s32_s8(vld1q_s8(s + 3 * dim));
            int64x2_t ab0 = vreinterpretq_s64_s32(vtrn1q_s32(a, b)), ab1 = vreinterpretq_s64_s32(vtrn2q_s32(a, b));
            int64x2_t ce0 = vreinterpretq_s64_s32(vtrn1q_s32(c, e)), ce1 = vreinterpretq_s64_s32(vtrn2q_s32(c, e));
            int8_t *target = packed + 8 * d + 16 * half;
            vst1q_s8(target, vreinterpretq_s8_s64(vtrn1q_s64(ab0, ce0)));
            vst1q_s8(target + 32, vreinterpretq_s8_s64(vtrn1q_s64(ab1, ce1)));
            vst1q_s8(target + 64, vreinterpretq_s8_s64(vtrn2q_s64(ab0, ce0)));
            vst1q_s8(target + 96, vreinterpretq_s8_s64(vtrn2q_s64(ab1, ce1)));
        }
}

INLINE void dot_scores(const int8_t *q8, const int8_t *packed, int tokens, const int dim, int8_t *scores)
{
    int8_t queries[8 * 128];
    for (int row = 0; row < tokens; row += 8) {
        pack_dot(q8 + row * dim, dim, queries);
        dot_tiles(queries, packed, row / 8 + 1, dim, scores + (ptrdiff_t)row * tokens, tokens);
    }
}

void yardstick_dot_scores(const int8_t *q8, const int8_t *packed, int tokens, int dim, int8_t *scores)
{
    if (dim == 64)
        dot_scores(q8, packed, tokens, 64, scores);
    else
        dot_scores(q8, packed, tokens, 128, scores);
}

/* The largest sum of squares of 4 rows over the channels of each 16-bit lane. */
INLINE void lane_norms(const int8_t *rows, const int dim, float32x4_t norms[2])
{
    uint32x4_t low = vdupq_n_u32(0), high = low;
    for (int r = 0; r < 4; r++) {
        uint32x4_t l = vdupq_n_u32(0), h = l;
        for (int d = 0; d < dim; d += 8) {
            int8x8_t x = vld1_s8(rows + r * dim + d);
            uint16x8_t s = vreinterpretq_u16_s16(vmull_s8(x, x));
            l = vaddw_u16(l, vget_low_u16(s));
            h = vaddw_high_u16(h, s);
        }
        low = vmaxq_u32(low, l);
        high = vmaxq_u32(high, h);
    }
    norms[0] = vcvtq_f32_u32(low);
    norms[1] = vcvtq_f32_u32(high);
}

/* 4 rows x 4 keys. Narrow: a lane's 16-bit sum over all channels fits, whatever wraps around on the way. Else it is widened every 16 channels;
   two products fit 16 bits unless all factors are -128. */
INLINE void wrap_tile(const int8_t *q, const int8_t *k, const int dim, const int narrow, int8_t *scores, ptrdiff_t stride)
{
    int16x8_t sum[4][4];
    int32x4_t s[4][4], rows[4];
    for (int r = 0; r < 4; r++)
        for (int j = 0; j < 4; j++) {
            sum[r][j] = vdupq_n_s16(0);
            s[r][j] = vdupq_n_s32(0);
        }
#pragma clang loop unroll_count(2)
    for (int d = 0; d < dim; d += 16) {
        int8x16_t x[4], y[4];
        for (int r = 0; r < 4; r++) {
            x[r] = vld1q_s8(q + r * dim + d);
            y[r] = vld1q_s8(k + r * dim + d);
        }
        for (int r = 0; r < 4; r++)
            for (int j = 0; j < 4; j++) {
                int16x8_t low = narrow ? vmlal_s8(sum[r][j], vget_low_s8(x[r]), vget_low_s8(y[j])) : vmull_s8(vget_low_s8(x[r]), vget_low_s8(y[j]));
                sum[r][j] = vmlal_high_s8(low, x[r], y[j]);
                if (!narrow)
                    s[r][j] = vpadalq_s16(s[r][j], sum[r][j]);
            }
    }
    for (int r = 0; r < 4; r++) {
        if (narrow)
            for (int j = 0; j < 4; j++)
                s[r][j] = vpaddlq_s16(sum[r][j]);
        rows[r] = vpaddq_s32(vpaddq_s32(s[r][0], s[r][1]), vpaddq_s32(s[r][2], s[r][3]));
    }
    int16x8_t ab = NARROW(rows[0], rows[1]);
    int16x8_t cd = NARROW(rows[2], rows[3]);
    int32x4_t all = vreinterpretq_s32_s8(vqmovn_high_s16(vqmovn_s16(ab), cd));
    vst1q_lane_s32(__builtin_assume_aligned(scores, 1), all, 0);
    vst1q_lane_s32(__builtin_assume_aligned(scores + stride, 1), all, 1);
    vst1q_lane_s32(__builtin_assume_aligned(scores + 2 * stride, 1), all, 2);
    vst1q_lane_s32(__builtin_assume_aligned(scores + 3 * stride, 1), all, 3);
}

INLINE void wrap_scores(const int8_t *q8, const int8_t *k8, int tokens, const int dim, int8_t *scores)
{
    static float32x4_t norms[1024][2];
    const float32x4_t limit = vdupq_n_f32(32767.f * 32767.f * (1 - 1e-6f));
    for (int tile = 0; tile < tokens / 4; tile++)
        lane_norms(k8 + 4 * tile * dim, dim, norms[tile]);
    for (int row = 0; row < tokens; row += 4) {
        const int8_t *q = q8 + row * dim;
        float32x4_t own[2];
        lane_norms(q, dim, own);
        for (int tile = 0; tile <= row / 4; tile++) {
            uint32x4_t over = vorrq_u32(vcgtq_f32(vmulq_f32(own[0], norms[tile][0]), limit), vcgtq_f32(vmulq_f32(own[1], norms[tile][1]), limit));
            int8_t *target = scores + (ptrdiff_t)row * tokens + 4 * tile;
            if (vmaxvq_u32(over) == 0)
                wrap_tile(q, k8 + 4 * tile * dim, dim, 1, target, tokens);
            else
                wrap_tile(q, k8 + 4 * tile * dim, dim, 0, target, tokens);
        }
    }
}

void yardstick_wrap_scores(const int8_t *q8, const int8_t *k8, int tokens, int dim, int8_t *scores)
{
    if (dim == 64)
        wrap_scores(q8, k8, tokens, 64, scores);
    else
        wrap_scores(q8, k8, tokens, 128, scores);
}
