/* SPDX-License-Identifier: Apache-2.0 */
/* STM32H7 (one core): what its files share. Source: RM0433 (H743). */
#ifndef SOC_H
#define SOC_H

#include <stddef.h>
#include <stdint.h>

#include "board_config.h"
#include "cortex_m7_caches.h"
#include "soc_internal.h"
#include "stm32_gpio.h"

/* RM0433, section 8.7. */
struct rcc {
    volatile uint32_t cr;
    volatile uint32_t reserved0[3];
    volatile uint32_t cfgr; /* 0x10 */
    volatile uint32_t reserved1;
    volatile uint32_t d1cfgr; /* 0x18 */
    volatile uint32_t d2cfgr;
    volatile uint32_t d3cfgr;
    volatile uint32_t reserved2;
    volatile uint32_t pllckselr; /* 0x28 */
    volatile uint32_t pllcfgr;
    volatile uint32_t pll1divr;
    volatile uint32_t reserved3[42];
    volatile uint32_t ahb2enr; /* 0xDC */
    volatile uint32_t ahb4enr;
    volatile uint32_t apb3enr;
    volatile uint32_t apb1lenr;
    volatile uint32_t apb1henr;
    volatile uint32_t apb2enr;
};

/* RM0433, section 6.8. */
struct pwr {
    volatile uint32_t cr1;
    volatile uint32_t csr1;
    volatile uint32_t cr2;
    volatile uint32_t cr3;
    volatile uint32_t cpucr;
    volatile uint32_t reserved;
    volatile uint32_t d3cr; /* 0x18 */
};

/* RM0433, section 4.9. */
struct flash {
    volatile uint32_t acr;
};

_Static_assert(offsetof(struct rcc, pllckselr) == 0x28, "pllckselr");
_Static_assert(offsetof(struct rcc, ahb2enr) == 0xDC, "ahb2enr");
_Static_assert(offsetof(struct rcc, apb2enr) == 0xF0, "apb2enr");
_Static_assert(offsetof(struct pwr, d3cr) == 0x18, "d3cr");

#define RCC ((struct rcc *)0x58024400u)
#define PWR ((struct pwr *)0x58024800u)
#define FLASH ((struct flash *)0x52002000u)
#define GPIO(port) ((struct gpio *)(0x58020000u + 0x400u * (port)))

/* RM0433, section 60.5.8; errata sheet ES0392, "Reading from AXI SRAM may lead to data read corruption". */
#define DBGMCU_IDCODE (*(const volatile uint32_t *)0x5C001000u)
#define AXI_TARG7_FN_MOD (*(volatile uint32_t *)0x51008108u)
#define AXI_READ_ISS_OVERRIDE (1u << 0)

#define SOC_USART1 0x40011000u
#define SOC_USART1_ENABLE_CLOCK (RCC->apb2enr |= 1u << 4)
#define SOC_USART1_BRR_FACTOR 1u
#define SOC_USART2 0x40004400u
#define SOC_USART2_ENABLE_CLOCK (RCC->apb1lenr |= 1u << 17)
#define SOC_USART2_BRR_FACTOR 1u
#define SOC_USART3 0x40004800u
#define SOC_USART3_ENABLE_CLOCK (RCC->apb1lenr |= 1u << 18)
#define SOC_USART3_BRR_FACTOR 1u

static inline void soc_uart_pins(void)
{
    RCC->ahb4enr |= 1u << BOARD_UART_TX_PORT | 1u << BOARD_UART_RX_PORT;
    (void)RCC->ahb4enr;
    gpio_alternate(GPIO(BOARD_UART_TX_PORT), BOARD_UART_TX_PIN, BOARD_UART_ALTERNATE);
    gpio_alternate(GPIO(BOARD_UART_RX_PORT), BOARD_UART_RX_PIN, BOARD_UART_ALTERNATE);
}

#endif
