/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the program on a real board: it sleeps until reset, and a debugger can read the status. */
#include "board.h"
#include "soc.h"

extern volatile int board_exit_status;
volatile int board_exit_status;

/* The virtual board knows by this function's name that the program has ended: it must not be inlined. */
__attribute__((noinline)) void board_exit(int status)
{
    board_exit_status = status;
    uart_flush();
    __asm volatile("cpsid i" ::: "memory");
    for (;;)
        __asm volatile("wfi");
}
