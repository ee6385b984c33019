/* SPDX-License-Identifier: Apache-2.0 */
#include "mn_output.h"

int8_t mn_output_any(const struct mn_output_s8 *output, int32_t accumulator, int32_t channel)
{
    const int32_t i = channel & output->channel_mask;
    const int32_t scaled = mn_requant(accumulator, output->multiplier[i], output->shift[i]);
    return (int8_t)mn_clamp(scaled + output->zero_point, output->act_min, output->act_max);
}
