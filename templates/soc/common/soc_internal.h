/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder call among themselves. */
#ifndef SOC_INTERNAL_H
#define SOC_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the UART; `clock_hz` is the clock it divides. */
void uart_init(uint32_t clock_hz);

/* Lets board_write() try again, whatever has become of the driver's variables. */
void uart_resume(void);

/* Returns when the last byte has left the UART. */
void uart_flush(void);

void counter_init(void);

#endif
