/* SPDX-License-Identifier: Apache-2.0 */
/* STM32L4+: what its files share. Source: RM0432. */
#ifndef SOC_H
#define SOC_H

#include <stddef.h>
#include <stdint.h>

#include "board_config.h"
#include "soc_internal.h"
#include "stm32_gpio.h"

/* RM0432, section 6.4. */
struct rcc {
    volatile uint32_t cr;
    volatile uint32_t icscr;
    volatile uint32_t cfgr;
    volatile uint32_t pllcfgr;
    volatile uint32_t reserved0[15];
    volatile uint32_t ahb2enr; /* 0x4C */
    volatile uint32_t reserved1[2];
    volatile uint32_t apb1enr1; /* 0x58 */
    volatile uint32_t apb1enr2;
    volatile uint32_t apb2enr;
};

/* RM0432, section 5.4. */
struct pwr {
    volatile uint32_t cr1;
    volatile uint32_t cr2;
    volatile uint32_t cr3;
    volatile uint32_t cr4;
    volatile uint32_t sr1;
    volatile uint32_t sr2;
    volatile uint32_t reserved[26];
    volatile uint32_t cr5; /* 0x80 */
};

/* RM0432, section 3.7. */
struct flash {
    volatile uint32_t acr;
};

_Static_assert(offsetof(struct rcc, ahb2enr) == 0x4C, "ahb2enr");
_Static_assert(offsetof(struct rcc, apb2enr) == 0x60, "apb2enr");
_Static_assert(offsetof(struct pwr, cr5) == 0x80, "cr5");

#define RCC ((struct rcc *)0x40021000u)
#define PWR ((struct pwr *)0x40007000u)
#define FLASH ((struct flash *)0x40022000u)
#define GPIO(port) ((struct gpio *)(0x48000000u + 0x400u * (port)))

#define SOC_LPUART1 0x40008000u
#define SOC_LPUART1_ENABLE_CLOCK (RCC->apb1enr2 |= 1u << 0)
#define SOC_LPUART1_BRR_FACTOR 256u
#define SOC_USART1 0x40013800u
#define SOC_USART1_ENABLE_CLOCK (RCC->apb2enr |= 1u << 14)
#define SOC_USART1_BRR_FACTOR 1u
#define SOC_USART2 0x40004400u
#define SOC_USART2_ENABLE_CLOCK (RCC->apb1enr1 |= 1u << 17)
#define SOC_USART2_BRR_FACTOR 1u
#define SOC_USART3 0x40004800u
#define SOC_USART3_ENABLE_CLOCK (RCC->apb1enr1 |= 1u << 18)
#define SOC_USART3_BRR_FACTOR 1u

/* PWR_CR2: the pins PG2 to PG15 have their own supply and stay dead until software vouches for it. */
#define PWR_CR2_IOSV (1u << 9)

static inline void soc_uart_pins(void)
{
    PWR->cr2 |= PWR_CR2_IOSV;
    RCC->ahb2enr |= 1u << BOARD_UART_TX_PORT | 1u << BOARD_UART_RX_PORT;
    (void)RCC->ahb2enr;
    gpio_alternate(GPIO(BOARD_UART_TX_PORT), BOARD_UART_TX_PIN, BOARD_UART_ALTERNATE);
    gpio_alternate(GPIO(BOARD_UART_RX_PORT), BOARD_UART_RX_PIN, BOARD_UART_ALTERNATE);
}

#endif
