/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F4: what its files share. Source: RM0390 (F446). */
#ifndef SOC_H
#define SOC_H

#include "board_config.h"
#include "soc_internal.h"
#include "stm32_f4_f7_registers.h"
#include "stm32_gpio.h"

/* RM0390, section 2.2.2: memory map; 6.3.13 and 6.3.14: RCC_APB1ENR, RCC_APB2ENR. */
#define SOC_USART1 0x40011000u
#define SOC_USART1_ENABLE_CLOCK (RCC->apb2enr |= 1u << 4)
#define SOC_USART2 0x40004400u
#define SOC_USART2_ENABLE_CLOCK (RCC->apb1enr |= 1u << 17)
#define SOC_USART3 0x40004800u
#define SOC_USART3_ENABLE_CLOCK (RCC->apb1enr |= 1u << 18)
#define SOC_USART6 0x40011400u
#define SOC_USART6_ENABLE_CLOCK (RCC->apb2enr |= 1u << 5)

/* RM0390, section 3.8.1: the ART accelerator's prefetch buffer, instruction cache and data cache. */
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)
#define FLASH_ACR_ICRST (1u << 11)
#define FLASH_ACR_DCRST (1u << 12)
#define FLASH_ACR_ACCELERATOR (FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN)

/* The caches can be emptied only while they are off. */
static inline void soc_flash_accelerator_reset(void)
{
    FLASH->acr &= ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
    FLASH->acr |= FLASH_ACR_ICRST | FLASH_ACR_DCRST;
    FLASH->acr &= ~(FLASH_ACR_ICRST | FLASH_ACR_DCRST);
    FLASH->acr |= FLASH_ACR_ACCELERATOR;
}

/* The core has none. */
static inline void soc_caches(void)
{
}

static inline void soc_uart_pins(void)
{
    RCC->ahb1enr |= 1u << BOARD_UART_TX_PORT | 1u << BOARD_UART_RX_PORT;
    (void)RCC->ahb1enr;
    gpio_alternate(GPIO(BOARD_UART_TX_PORT), BOARD_UART_TX_PIN, BOARD_UART_ALTERNATE);
    gpio_alternate(GPIO(BOARD_UART_RX_PORT), BOARD_UART_RX_PIN, BOARD_UART_ALTERNATE);
}

#endif
