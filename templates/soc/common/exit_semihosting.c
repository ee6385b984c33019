/* SPDX-License-Identifier: Apache-2.0 */
/* The way out of an emulator: semihosting (Arm "Semihosting for AArch32 and AArch64", SYS_EXIT_EXTENDED). */
#include "board.h"

#define SYS_EXIT_EXTENDED 0x20u
#define ADP_STOPPED_APPLICATION_EXIT 0x20026u

void board_exit(int status)
{
    const uint32_t block[2] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)status};
    register uint32_t operation __asm("r0") = SYS_EXIT_EXTENDED;
    register const uint32_t *argument __asm("r1") = block;

    __asm volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
    for (;;)
        __asm volatile("wfi");
}
