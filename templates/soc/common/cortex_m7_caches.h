/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction and data cache of the Cortex-M7 (Technical Reference Manual DDI 0489, section 4.3.7 and 5.2). */
#ifndef CORTEX_M7_CACHES_H
#define CORTEX_M7_CACHES_H

#include "cortex_m.h"

/* Their content is undefined at reset, so both are emptied before they are turned on. */
static inline void caches_enable(void)
{
    cortex_m_barrier();
    SCB_ICIALLU = 0;
    cortex_m_barrier();
    SCB_CCR |= SCB_CCR_IC;
    cortex_m_barrier();

    SCB_CSSELR = 0; /* level 1, data */
    cortex_m_barrier();
    const uint32_t size = SCB_CCSIDR;
    const uint32_t last_set = (size >> 13) & 0x7FFFu;
    const uint32_t last_way = (size >> 3) & 0x3FFu;
    for (uint32_t set = 0; set <= last_set; ++set)
        for (uint32_t way = 0; way <= last_way; ++way)
            SCB_DCISW = way << 30 | set << 5; /* 4 ways of 32-byte lines */
    cortex_m_barrier();
    SCB_CCR |= SCB_CCR_DC;
    cortex_m_barrier();
}

#endif
