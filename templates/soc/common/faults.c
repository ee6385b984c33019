/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults end the program with one line: MN,fault,<what>,<address of the instruction>.
 *
 * <what> is nmi, hard, memory, bus, usage, secure, interrupt (one that nobody handles) or stack (it overflowed).
 */
#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "cortex_m.h"

#define CFSR_MSTKERR (1u << 4)
#define CFSR_DACCVIOL (1u << 1)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_STKOF (1u << 20) /* ARMv8-M */
#define GUARD_BYTES 128u

enum fault { FAULT_NMI, FAULT_HARD, FAULT_MEMORY, FAULT_BUS, FAULT_USAGE, FAULT_SECURE, FAULT_INTERRUPT, FAULT_STACK };

static const char *const names[] = {"nmi", "hard", "memory", "bus", "usage", "secure", "interrupt", "stack"};

extern uint32_t _stack_top[], _stack_limit[], _stack_guard[]; /* the guard: on ARMv7-M */

void fault_report(enum fault what, const uint32_t *frame);

/* The stack may be what broke: keep the address of the saved registers in r1 and start again from its top. */
#define FAULT_HANDLER(name, what)                 \
    void name(void);                              \
    __attribute__((naked, used)) void name(void)  \
    {                                             \
        __asm volatile("tst lr, #4      \n\t"     \
                       "ite eq          \n\t"     \
                       "mrseq r1, msp   \n\t"     \
                       "mrsne r1, psp   \n\t"     \
                       "ldr r0, =_stack_top \n\t" \
                       "mov sp, r0      \n\t"     \
                       "movs r0, %0     \n\t"     \
                       "b fault_report  \n\t"     \
                       ".ltorg" ::"i"(what));     \
    }

FAULT_HANDLER(NMI_Handler, FAULT_NMI)
FAULT_HANDLER(HardFault_Handler, FAULT_HARD)
FAULT_HANDLER(MemManage_Handler, FAULT_MEMORY)
FAULT_HANDLER(BusFault_Handler, FAULT_BUS)
FAULT_HANDLER(UsageFault_Handler, FAULT_USAGE)
FAULT_HANDLER(SecureFault_Handler, FAULT_SECURE)
FAULT_HANDLER(Unhandled_Handler, FAULT_INTERRUPT)

static void write_text(const char *text)
{
    for (; *text != '\0'; ++text)
        board_write(text, 1);
}

static void write_hex(uint32_t value)
{
    char text[] = "0x00000000";
    for (int digit = 9; digit >= 2; --digit, value >>= 4)
        text[digit] = "0123456789abcdef"[value & 15u];
    write_text(text);
}

/* On ARMv7-M an overflow is an access to the guard, or the core's failure to push a frame there. */
static bool stack_overflowed(void)
{
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    return (SCB_CFSR & CFSR_STKOF) != 0;
#else
    const uint32_t status = SCB_CFSR;
    const bool in_guard = (status & (CFSR_DACCVIOL | CFSR_MMARVALID)) == (CFSR_DACCVIOL | CFSR_MMARVALID) &&
                          SCB_MMFAR - (uint32_t)_stack_guard < GUARD_BYTES;
    return in_guard || (status & CFSR_MSTKERR) != 0;
#endif
}

__attribute__((used)) void fault_report(enum fault what, const uint32_t *frame)
{
    const bool readable = frame >= _stack_limit && frame + 8 <= _stack_top && ((uint32_t)frame & 3u) == 0;
    const uint32_t address = readable ? frame[6] : 0; /* r0-r3, r12, lr, pc, xpsr */

    if (stack_overflowed())
        what = FAULT_STACK;
    write_text("MN,fault,");
    write_text(names[what]);
    write_text(",");
    write_hex(address);
    write_text("\n");
    board_exit(128 + (int)what);
}
