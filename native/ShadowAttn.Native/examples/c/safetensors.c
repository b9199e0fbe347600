#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shadowattn.h"

/* The text behind "key": in the header, or null. */
static const char *find(const char *json, const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *found = strstr(json, quoted);
    return found ? found + strlen(quoted) : NULL;
}

static int read_tensor(const char *json, const char *name, unsigned char *data, uint64_t bytes, trace_tensor *t) {
    const char *entry = find(json, name);
    const char *dtype = entry ? find(entry, "dtype") : NULL;
    const char *shape = entry ? find(entry, "shape") : NULL;
    const char *offsets = entry ? find(entry, "data_offsets") : NULL;
    unsigned long long begin, end;
    if (!dtype || !shape || !offsets || sscanf(shape, "[%u,%u,%u]", &t->heads, &t->rows, &t->dim) != 3 ||
        sscanf(offsets, "[%llu,%llu]", &begin, &end) != 2) {
        return 0;
    }
    t->dtype = strncmp(dtype, "\"F32\"", 5) == 0 ? SA_F32 : strncmp(dtype, "\"F16\"", 5) == 0 ? SA_F16 : SA_BF16;
    uint64_t size = (uint64_t)t->heads * t->rows * t->dim * (t->dtype == SA_F32 ? 4 : 2);
    if (begin > end || end > bytes || end - begin != size || begin % 4 != 0) {
        return 0;
    }
    t->data = data + begin;
    return 1;
}

const char *trace_read(const char *path, trace *t) {
    memset(t, 0, sizeof *t);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return "cannot be opened";
    }
    fseek(f, 0, SEEK_END);
    long length = ftell(f);
    rewind(f);

    /* A copy whose data begins at an aligned address, and whose header ends with a zero. */
    uint64_t header = 0;
    const char *problem = "is no safetensors file";
    if (length > 8 && fread(&header, 1, 8, f) == 8 && header <= (uint64_t)length - 8) {
        uint64_t data = (uint64_t)length - 8 - header;
        t->file = malloc((size_t)(data + header + 1));
        if (t->file && fread(t->file + data, 1, (size_t)header, f) == header && fread(t->file, 1, (size_t)data, f) == data) {
            char *json = (char *)t->file + data;
            json[header] = 0;
            const char *scale = find(json, "scale");
            t->scale = scale ? (float)atof(scale + 1) : 0;
            if (read_tensor(json, "q", t->file, data, &t->q) && read_tensor(json, "k", t->file, data, &t->k) &&
                read_tensor(json, "v", t->file, data, &t->v)) {
                problem = NULL;
            } else {
                problem = "has no tensors q, k and v of rank 3";
            }
        }
    }
    fclose(f);
    if (problem) {
        trace_free(t);
    }
    return problem;
}

void trace_free(trace *t) {
    free(t->file);
    t->file = NULL;
}
