/* SPDX-License-Identifier: Apache-2.0 */
/* ABS. Input and output may lie in the same bytes. */
#ifndef MN_ABSOLUTE_H
#define MN_ABSOLUTE_H

#include <stdint.h>

struct mn_abs_s8_params {
    int32_t count;
    int32_t zero_point;
};

void mn_abs_s8(const struct mn_abs_s8_params *p, const int8_t *in, int8_t *out);

#endif
