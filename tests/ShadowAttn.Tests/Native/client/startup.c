/* Prints how many milliseconds pass in loading libshadowattn, in the first call, and until the first attention is computed. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "shadowattn.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static float q[4 * 16 * 64], k[2 * 64 * 64], v[2 * 64 * 64], o[4 * 16 * 64];

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    for (int i = 0; i < 2 * 64 * 64; i++) {
        k[i] = (float)(i * 37 % 101) / 101;
        v[i] = (float)(i * 53 % 97) / 97;
        q[i % (4 * 16 * 64)] = k[i];
    }
    double start = now();
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    double loaded = now();
    uint32_t(*version)(void);
    sa_status (*create)(sa_backend *, const sa_attention_options *, sa_attention **);
    sa_status (*compute)(sa_attention *, const sa_tensor *, const sa_tensor *, const sa_tensor *, const sa_tensor *, uint32_t, uint32_t, const sa_call *);
    *(void **)&version = dlsym(library, "sa_version_number");
    *(void **)&create = dlsym(library, "sa_attention_create");
    *(void **)&compute = dlsym(library, "sa_attention_compute");
    uint32_t number = version();
    double called = now();

    sa_attention_options options;
    sa_attention *attention;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.heads = 4;
    options.kv_heads = 2;
    options.head_dim = 64;
    sa_tensor tensors[4];
    memset(tensors, 0, sizeof tensors);
    tensors[0].data = q;
    tensors[1].data = k;
    tensors[2].data = v;
    tensors[3].data = o;
    if (number != SA_VERSION || create(NULL, &options, &attention) != SA_OK ||
        compute(attention, &tensors[0], &tensors[1], &tensors[2], &tensors[3], 16, 64, NULL) != SA_OK || o[0] == 0) {
        return 1;
    }
    double computed = now();
    printf("%.3f %.3f %.3f\n", loaded - start, called - start, computed - start);
    return 0;
}
