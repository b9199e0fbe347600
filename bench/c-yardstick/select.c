/* The keep highest of n 8-bit scores as a bit mask (of equal scores the larger index first), and masks of two rows as three lists. */
#include "yardstick.h"

enum { BLOCK = 64 };

static inline int count_from(const int8_t *scores, const int8_t *end, int8x16_t t, const int8x16_t edge[4])
{
    uint8x16_t n[4];
    for (int j = 0; j < 4; j++)
        n[j] = vcgeq_s8(edge[j], t);
    for (; scores < end; scores += BLOCK)
        for (int j = 0; j < 4; j++)
            n[j] = vaddq_u8(n[j], vcgeq_s8(vld1q_s8(scores + 16 * j), t));
    int16x8_t sums = vpaddlq_s8(vreinterpretq_s8_u8(n[0]));
    for (int j = 1; j < 4; j++)
        sums = vpadalq_s8(sums, vreinterpretq_s8_u8(n[j]));
    return -vaddlvq_s16(sums);
}

static inline uint64_t bits(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    const uint8x16_t w = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t all = vpaddq_u8(vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w)), vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w)));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

static inline uint64_t without_first(uint64_t word, uint64_t ties, int *skip)
{
    for (; *skip > 0 && ties != 0; --*skip, ties &= ties - 1)
        word &= ~(ties & -ties);
    return word;
}

/* The next level to count from inside (low, high), where #(>= low) >= keep > #(>= high). */
static inline int next_level(int low, int high, int at_low, int at_high, int keep, int n, int pass)
{
    if (pass > 9)
        return (low + high) >> 1;
    if (high == 128) {
        int level = low + 1 + (int)((uint64_t)(at_low - keep) * 128 / (uint32_t)n);
        return level < high - 1 ? level : high - 1;
    }
    if (low == -128) {
        int level = high - 1 - (int)((uint64_t)(keep - at_high) * 128 / (uint32_t)n);
        return level > low + 1 ? level : low + 1;
    }
    int level = low + (int)(((uint64_t)(at_low - keep) * 2 + 1) * (uint32_t)(high - low) / ((uint64_t)(at_low - at_high) * 2));
    return level > low + 1 ? level : low + 1;
}

/* Up to 8,000 scores. Returns the threshold. */
int yardstick_select(const int8_t *scores, int n, int keep, int guess, uint64_t *mask)
{
    int blocks = (n - 1) / BLOCK, rest = n - blocks * BLOCK;
    const int8_t *end = scores + blocks * BLOCK;
    int8_t copy[BLOCK];
    const int8_t *last = scores + n - BLOCK;
    if (n < BLOCK) {
        memcpy(copy + BLOCK - n, scores, (size_t)n);
        last = copy;
    }
    static const uint8_t used[2 * BLOCK] = { [BLOCK ... 2 * BLOCK - 1] = 255 };
    int8x16_t edge[4];
    for (int j = 0; j < 4; j++)
        edge[j] = vbslq_s8(vld1q_u8(used + rest + 16 * j), vld1q_s8(last + 16 * j), vdupq_n_s8(-128));

    int low = -128, high = 128, at_low = n, at_high = 0, level = guess < -127 ? -127 : guess;
    for (int pass = 1;; pass++) {
        int count = count_from(scores, end, vdupq_n_s8((int8_t)level), edge);
        if (count < keep) {
            high = level;
            at_high = count;
        } else {
            low = level;
            at_low = count;
        }
        if (high - low == 1)
            break;
        level = next_level(low, high, at_low, at_high, keep, n, pass);
    }

    int8x16_t t = vdupq_n_s8((int8_t)low);
    int skip = at_low - keep;
    for (; scores < end; scores += BLOCK) {
        int8x16_t s[4];
        for (int j = 0; j < 4; j++)
            s[j] = vld1q_s8(scores + 16 * j);
        uint64_t word = bits(vcgeq_s8(s[0], t), vcgeq_s8(s[1], t), vcgeq_s8(s[2], t), vcgeq_s8(s[3], t));
        if (skip > 0)
            word = without_first(word, bits(vceqq_s8(s[0], t), vceqq_s8(s[1], t), vceqq_s8(s[2], t), vceqq_s8(s[3], t)), &skip);
        *mask++ = word;
    }
    int unused = BLOCK - rest;
    uint64_t word = bits(vcgeq_s8(edge[0], t), vcgeq_s8(edge[1], t), vcgeq_s8(edge[2], t), vcgeq_s8(edge[3], t)) >> unused;
    if (skip > 0)
        word = without_first(
            word, bits(vceqq_s8(edge[0], t), vceqq_s8(edge[1], t), vceqq_s8(edge[2], t), vceqq_s8(edge[3], t)) >> unused, &skip);
    *mask = word;
    return low;
}

static inline int *append(uint64_t word, int start, int *list)
{
    for (uint64_t rest = __builtin_bitreverse64(word); rest != 0;) {
        int zeros = __builtin_clzll(rest);
        rest &= ~(0x8000000000000000u >> zeros);
        *list++ = start + zeros;
    }
    return list;
}

void yardstick_split(const uint64_t *mask0, const uint64_t *mask1, int words, int *both, int *first, int *second, int *counts)
{
    int *b = both, *f = first, *s = second;
    for (int i = 0; i < words; i++) {
        b = append(mask0[i] & mask1[i], 64 * i, b);
        f = append(mask0[i] & ~mask1[i], 64 * i, f);
        s = append(mask1[i] & ~mask0[i], 64 * i, s);
    }
    counts[0] = (int)(b - both);
    counts[1] = (int)(f - first);
    counts[2] = (int)(s - second);
}
