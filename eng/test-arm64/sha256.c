// SHA-256 under the entry points of libSystem.Security.Cryptography.Native.OpenSsl, for arm64 test runs without an arm64 OpenSSL.
//
// xunit names its test cases by SHA-256, and .NET on Linux takes that from OpenSSL, which Debian does not ship for cross use. Everything else
// of that library is missing here on purpose: a call to it fails with EntryPointNotFoundException, it never gives a wrong answer.
// SHA-256 as in FIPS 180-4.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define DIGEST_BYTES 32
#define BLOCK_BYTES 64

typedef struct
{
    uint32_t state[8];
    uint64_t length;
    uint8_t block[BLOCK_BYTES];
} digest;

static const char sha256_id;

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void start(digest* d)
{
    static const uint32_t initial[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(d->state, initial, sizeof initial);
    d->length = 0;
}

static uint32_t rotate(uint32_t x, int bits)
{
    return (x >> bits) | (x << (32 - bits));
}

static void compress(uint32_t* state, const uint8_t* block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
    {
        w[i] = ((uint32_t)block[4 * i] << 24) | ((uint32_t)block[4 * i + 1] << 16) | ((uint32_t)block[4 * i + 2] << 8) | block[4 * i + 3];
    }

    for (int i = 16; i < 64; i++)
    {
        uint32_t low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }

    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++)
    {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t t1 = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + round_constants[i] + w[i];
        uint32_t t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }

    for (int i = 0; i < 8; i++)
    {
        state[i] += s[i];
    }
}

static void append(digest* d, const uint8_t* data, size_t count)
{
    while (count != 0)
    {
        size_t used = d->length % BLOCK_BYTES;
        size_t taken = BLOCK_BYTES - used < count ? BLOCK_BYTES - used : count;
        memcpy(d->block + used, data, taken);
        d->length += taken;
        data += taken;
        count -= taken;
        if (d->length % BLOCK_BYTES == 0)
        {
            compress(d->state, d->block);
        }
    }
}

static void finish(digest* d, uint8_t* result, uint32_t* size)
{
    uint64_t bits = d->length * 8;
    static const uint8_t padding[BLOCK_BYTES] = {0x80};
    append(d, padding, 1 + (2 * BLOCK_BYTES - 9 - d->length % BLOCK_BYTES) % BLOCK_BYTES);
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
    {
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    }

    append(d, length, sizeof length);
    for (int i = 0; i < DIGEST_BYTES; i++)
    {
        result[i] = (uint8_t)(d->state[i / 4] >> (24 - 8 * (i % 4)));
    }

    *size = DIGEST_BYTES;
}

EXPORT int32_t CryptoNative_EnsureOpenSslInitialized(void)
{
    return 0;
}

EXPORT const void* CryptoNative_EvpSha256(void)
{
    return &sha256_id;
}

EXPORT int32_t CryptoNative_EvpMdSize(const void* type)
{
    return type == &sha256_id ? DIGEST_BYTES : -1;
}

EXPORT int32_t CryptoNative_GetMaxMdSize(void)
{
    return 64;
}

EXPORT void CryptoNative_ErrClearError(void)
{
}

EXPORT int32_t CryptoNative_EvpDigestReset(digest* d, const void* type)
{
    if (type != &sha256_id)
    {
        return 0;
    }

    start(d);
    return 1;
}

EXPORT digest* CryptoNative_EvpMdCtxCreate(const void* type)
{
    digest* d = malloc(sizeof *d);
    if (d != NULL && !CryptoNative_EvpDigestReset(d, type))
    {
        free(d);
        return NULL;
    }

    return d;
}

EXPORT digest* CryptoNative_EvpMdCtxCopyEx(const digest* d)
{
    digest* copy = malloc(sizeof *copy);
    return copy == NULL ? NULL : memcpy(copy, d, sizeof *copy);
}

EXPORT void CryptoNative_EvpMdCtxDestroy(digest* d)
{
    free(d);
}

EXPORT int32_t CryptoNative_EvpDigestUpdate(digest* d, const void* data, int32_t count)
{
    append(d, data, (size_t)count);
    return 1;
}

EXPORT int32_t CryptoNative_EvpDigestFinalEx(digest* d, uint8_t* result, uint32_t* size)
{
    finish(d, result, size);
    return 1;
}

EXPORT int32_t CryptoNative_EvpDigestCurrent(const digest* d, uint8_t* result, uint32_t* size)
{
    digest copy = *d;
    finish(&copy, result, size);
    return 1;
}

EXPORT int32_t CryptoNative_EvpDigestOneShot(const void* type, const void* data, int32_t count, uint8_t* result, uint32_t* size)
{
    digest d;
    if (!CryptoNative_EvpDigestReset(&d, type))
    {
        return 0;
    }

    append(&d, data, (size_t)count);
    finish(&d, result, size);
    return 1;
}
