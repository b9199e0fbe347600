#pragma once
#include <arm_neon.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For bodies that are compiled once per dim. */
#define INLINE static inline __attribute__((always_inline))
