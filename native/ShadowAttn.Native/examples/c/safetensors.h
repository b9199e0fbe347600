/* As much of the safetensors format as a trace needs: three tensors of rank 3 in fp32, fp16 or bf16. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

typedef struct trace_tensor {
    void *data; /* [heads, rows, dim], contiguous; inside the trace's file */
    uint32_t heads, rows, dim;
    int32_t dtype; /* SA_F32, SA_F16 or SA_BF16 */
} trace_tensor;

typedef struct trace {
    unsigned char *file;
    trace_tensor q, k, v;
    float scale;
} trace;

/* Returns null, or what is wrong. A trace that could be read is freed with trace_free. */
const char *trace_read(const char *path, trace *t);
void trace_free(trace *t);

#endif
