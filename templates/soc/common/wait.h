/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for hardware that may never answer. */
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* About 60 ms at 16 MHz, 5 ms at 480 MHz: an oscillator starts in less, and a UART sends a byte at 9,600 baud. */
#define WAIT_TURNS 200000u

/* Returns whether `*status & mask` became `value` in time. */
static inline bool wait_for(const volatile uint32_t *status, uint32_t mask, uint32_t value)
{
    for (uint32_t turn = 0; turn < WAIT_TURNS; ++turn)
        if ((*status & mask) == value)
            return true;
    return false;
}

#endif
