/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of the Cortex-M core that the start-up code uses.
 *
 * Sources: ARMv7-M Architecture Reference Manual (DDI 0403), chapters B3.2 (System Control Block), B3.3 (SysTick),
 * B3.5 (MPU) and C1 (debug); ARMv8-M Architecture Reference Manual (DDI 0553), chapter D1.2.
 */
#ifndef CORTEX_M_H
#define CORTEX_M_H

#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(address))

/* System Control Block */
#define SCB_ICSR REG32(0xE000ED04u)
#define SCB_ICSR_PENDSTSET (1u << 26)
#define SCB_VTOR REG32(0xE000ED08u)
#define SCB_CCR REG32(0xE000ED14u)
#define SCB_CCR_DC (1u << 16)  /* data cache on */
#define SCB_CCR_IC (1u << 17)  /* instruction cache on */
#define SCB_CCR_BP (1u << 18)  /* branch prediction on (ARMv8-M) */
#define SCB_CCR_LOB (1u << 19) /* low-overhead loops on (ARMv8.1-M) */
#define SCB_SHCSR REG32(0xE000ED24u)
#define SCB_SHCSR_MEMFAULTENA (1u << 16)
#define SCB_SHCSR_BUSFAULTENA (1u << 17)
#define SCB_SHCSR_USGFAULTENA (1u << 18)
#define SCB_CFSR REG32(0xE000ED28u)
#define SCB_MMFAR REG32(0xE000ED34u)
#define SCB_CLIDR REG32(0xE000ED78u)
#define SCB_CCSIDR REG32(0xE000ED80u)
#define SCB_CSSELR REG32(0xE000ED84u)
#define SCB_CPACR_ADDRESS 0xE000ED88 /* used from assembly */
#define SCB_ICIALLU REG32(0xE000EF50u)
#define SCB_DCISW REG32(0xE000EF60u)

/* SysTick */
#define SYSTICK_CTRL REG32(0xE000E010u)
#define SYSTICK_CTRL_ENABLE (1u << 0)
#define SYSTICK_CTRL_TICKINT (1u << 1)
#define SYSTICK_CTRL_CLKSOURCE (1u << 2) /* the core's clock */
#define SYSTICK_LOAD REG32(0xE000E014u)
#define SYSTICK_VAL REG32(0xE000E018u)

/* Memory Protection Unit (ARMv7-M) */
#define MPU_TYPE REG32(0xE000ED90u)
#define MPU_CTRL REG32(0xE000ED94u)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR REG32(0xE000ED98u)
#define MPU_RBAR REG32(0xE000ED9Cu)
#define MPU_RASR REG32(0xE000EDA0u)
#define MPU_RASR_ENABLE (1u << 0)
#define MPU_RASR_SIZE_128 (6u << 1)
#define MPU_RASR_XN (1u << 28)

/* Data Watchpoint and Trace */
#define DEMCR REG32(0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL REG32(0xE0001000u)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CYCCNT REG32(0xE0001004u)
#define DWT_LAR REG32(0xE0001FB0u)
#define DWT_LAR_UNLOCK 0xC5ACCE55u

static inline void cortex_m_barrier(void)
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

#endif
