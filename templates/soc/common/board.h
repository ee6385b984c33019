/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: clocks, the UART of the virtual COM port, a counter and a way out.
 *
 * board_init() first. Everything else may be called afterwards, from one thread; nothing here allocates memory.
 * An interrupt handler is a function `void IRQ<n>_Handler(void)` with the number of the reference manual's vector
 * table; it replaces the weak one in vectors.c.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define BOARD_NORETURN [[noreturn]]
#else
#define BOARD_NORETURN _Noreturn
#endif

/* Sets the rated clock, caches, FPU, UART and counter. */
void board_init(void);

/*
 * Sends `length` bytes and returns when the last one is in the UART. Before board_init(), and once the UART has not
 * become ready for some time, it does nothing.
 */
void board_write(const char *data, size_t length);

/* Returns one received byte, or -1 when there is none. */
int board_read(void);

/* Free-running ticks, wrapping at 2^32. One tick is numerator/denominator of the unit: "cycles" or "instructions". */
uint32_t board_counter(void);
extern const char board_counter_unit[];
extern const uint32_t board_counter_numerator;
extern const uint32_t board_counter_denominator;

/* The core clock in use, and whether it is the internal oscillator because the configured source did not start. */
uint32_t board_clock_hz(void);
bool board_clock_fallback(void);

/* Identity of this build: the SHA-1 of the image, which the linker computes (--build-id=sha1). */
extern const uint8_t board_build_id[20];

/*
 * Ends the program. An emulator ends with this status (semihosting in QEMU, the variable board_exit_status on the
 * virtual board); a real board sends what is left in its UART and sleeps.
 */
BOARD_NORETURN void board_exit(int status);

#ifdef __cplusplus
}
#endif

#endif
