/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to main(): FPU on, .data copied, .bss cleared, C++ constructors run. */
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "cortex_m.h"

struct vector_table;
extern const struct vector_table board_vectors;
extern const uint32_t _data_load[];
extern uint32_t _data_start[], _data_end[], _bss_start[], _bss_end[];
extern uint32_t _stack_limit[]; /* ARMv8-M */
extern uint32_t _stack_guard[]; /* ARMv7-M */
typedef void (*constructor)(void);
extern const constructor _init_array_start[], _init_array_end[];

int main(void);
void Reset_Handler(void);
_Noreturn void board_start(void);

/*
 * In assembly, because the compiler may use FPU or MVE registers in any C function, this one included, and they fault
 * until CPACR lets them through.
 */
__attribute__((naked, used)) void Reset_Handler(void)
{
    __asm volatile(
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
        "ldr r0, =0xE000ED88 \n\t" /* CPACR: full access to CP10 and CP11 */
        "ldr r1, [r0]        \n\t"
        "orr r1, r1, #0xF00000 \n\t"
        "str r1, [r0]        \n\t"
        "dsb                 \n\t"
        "isb                 \n\t"
#endif
        "b board_start       \n\t"
        ".ltorg");
}

/* An overflow of the stack is a fault: the core knows the limit (ARMv8-M) or the MPU locks 128 bytes (ARMv7-M). */
static void guard_stack(void)
{
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    __asm volatile("msr msplim, %0" ::"r"(_stack_limit));
#else
    if (MPU_TYPE != 0) {
        MPU_RNR = 0;
        MPU_RBAR = (uint32_t)_stack_guard;
        MPU_RASR = MPU_RASR_XN | MPU_RASR_SIZE_128 | MPU_RASR_ENABLE; /* AP = 0: no access */
        MPU_CTRL = MPU_CTRL_PRIVDEFENA | MPU_CTRL_ENABLE;
        cortex_m_barrier();
    }
#endif
}

__attribute__((used)) _Noreturn void board_start(void)
{
    const uint32_t *from = _data_load;
    for (uint32_t *to = _data_start; to < _data_end; ++to)
        *to = *from++;
    for (uint32_t *to = _bss_start; to < _bss_end; ++to)
        *to = 0;

    SCB_VTOR = (uint32_t)&board_vectors;
    SCB_SHCSR |= SCB_SHCSR_MEMFAULTENA | SCB_SHCSR_BUSFAULTENA | SCB_SHCSR_USGFAULTENA;
    guard_stack();
    for (const constructor *call = _init_array_start; call < _init_array_end; ++call)
        (*call)();
    board_exit(main());
}
