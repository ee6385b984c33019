/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the program on a real board: it sleeps until reset, and a debugger can read the status. */
#include "board.h"
#include "soc.h"

extern volatile int board_exit_status;
volatile int board_exit_status;

void board_exit(int status)
{
    board_exit_status = status;
    uart_flush();
    __asm volatile("cpsid i" ::: "memory");
    for (;;)
        __asm volatile("wfi");
}
