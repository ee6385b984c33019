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
#include "soc_internal.h"

#define CFSR_MSTKERR (1u << 4)
#define CFSR_DACCVIOL (1u << 1)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_STKOF (1u << 20) /* ARMv8-M */
#define GUARD_BYTES 128u

enum fault { FAULT_NMI, FAULT_HARD, FAULT_MEMORY, FAULT_BUS, FAULT_USAGE, FAULT_SECURE, FAULT_INTERRUPT, FAULT_STACK };

/* One behind the other, because a table of pointers would be as large as they are. */
static const char names[] = "nmi\0hard\0memory\0bus\0usage\0secure\0interrupt\0stack";

extern uint32_t _stack_top[], _stack_limit[], _stack_guard[]; /* the guard: on ARMv7-M */

void fault_report(enum fault what, const uint32_t *frame);

/*
 * Puts the address of the saved registers into r1. The stack may be what broke: where it is used up or left, the report
 * starts again from its top.
 */
void fault_entry(void);
__attribute__((naked, used)) void fault_entry(void)
{
    __asm volatile("tst lr, #4      \n\t"
                   "ite eq          \n\t"
                   "mrseq r1, msp   \n\t"
                   "mrsne r1, psp   \n\t"
                   "ldr r2, =_stack_limit + 256 \n\t"
                   "ldr r3, =_stack_top \n\t"
                   "mov ip, sp      \n\t"
                   "cmp ip, r2      \n\t"
                   "it hs           \n\t"
                   "cmphs r3, ip    \n\t"
                   "it lo           \n\t"
                   "movlo sp, r3    \n\t"
                   "b fault_report  \n\t"
                   ".ltorg");
}

#define FAULT_HANDLER(name, what)                                    \
    void name(void);                                                 \
    __attribute__((naked, used)) void name(void)                     \
    {                                                                \
        __asm volatile("movs r0, %0 \n\tb fault_entry" ::"i"(what)); \
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
    const char *const hex = "0123456789abcdef";
    write_text("0x");
    for (uint32_t digit = 0; digit < 8; ++digit, value <<= 4)
        board_write(&hex[value >> 28], 1);
}

static const char *name_of(enum fault what)
{
    const char *name = names;
    for (; what != 0; --what)
        while (*name++ != '\0') {
        }
    return name;
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

/* Far beyond the guard, too: the frame of one function may be larger. A process has a stack of its own. */
static bool outside_main_stack(const uint32_t *frame)
{
    const uint32_t *process;
    __asm volatile("mrs %0, psp" : "=r"(process));
    return frame != process && (frame < _stack_limit || frame > _stack_top);
}

__attribute__((used)) void fault_report(enum fault what, const uint32_t *frame)
{
    const bool readable = frame >= _stack_limit && frame + 8 <= _stack_top && ((uint32_t)frame & 3u) == 0;
    const uint32_t address = readable ? frame[6] : 0; /* r0-r3, r12, lr, pc, xpsr */

    if (stack_overflowed() || outside_main_stack(frame))
        what = FAULT_STACK;
    uart_resume(); /* a stack that overflowed may have written over everything */
    write_text("MN,fault,");
    write_text(name_of(what));
    write_text(",");
    write_hex(address);
    write_text("\n");
    board_exit(128 + (int)what);
}
