/* SPDX-License-Identifier: Apache-2.0 */
/* STM32F7: what its files share. Sources: RM0385 (F746), RM0410 (F767). */
#ifndef SOC_H
#define SOC_H

#include "board_config.h"
#include "cortex_m7_caches.h"
#include "soc_internal.h"
#include "stm32_f4_f7_registers.h"
#include "stm32_gpio.h"

/* RM0385, section 2.2.2: memory map; 5.3.13 and 5.3.14: RCC_APB1ENR, RCC_APB2ENR. */
#define SOC_USART1 0x40011000u
#define SOC_USART1_ENABLE_CLOCK (RCC->apb2enr |= 1u << 4)
#define SOC_USART1_BRR_FACTOR 1u
#define SOC_USART2 0x40004400u
#define SOC_USART2_ENABLE_CLOCK (RCC->apb1enr |= 1u << 17)
#define SOC_USART2_BRR_FACTOR 1u
#define SOC_USART3 0x40004800u
#define SOC_USART3_ENABLE_CLOCK (RCC->apb1enr |= 1u << 18)
#define SOC_USART3_BRR_FACTOR 1u
#define SOC_USART6 0x40011400u
#define SOC_USART6_ENABLE_CLOCK (RCC->apb2enr |= 1u << 5)
#define SOC_USART6_BRR_FACTOR 1u

/* RM0385, section 3.7.1: the ART accelerator serves the ITCM address of the flash, the cache its AXI address. */
#define FLASH_ACR_ARTEN (1u << 9)
#define FLASH_ACR_ARTRST (1u << 11)
#define FLASH_ACR_ACCELERATOR (FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN)

static inline void soc_flash_accelerator_reset(void)
{
    FLASH->acr &= ~FLASH_ACR_ARTEN;
    FLASH->acr |= FLASH_ACR_ARTRST;
    FLASH->acr &= ~FLASH_ACR_ARTRST;
    FLASH->acr |= FLASH_ACR_ACCELERATOR;
}

static inline void soc_caches(void)
{
    caches_enable();
}

static inline void soc_uart_pins(void)
{
    RCC->ahb1enr |= 1u << BOARD_UART_TX_PORT | 1u << BOARD_UART_RX_PORT;
    (void)RCC->ahb1enr;
    gpio_alternate(GPIO(BOARD_UART_TX_PORT), BOARD_UART_TX_PIN, BOARD_UART_ALTERNATE);
    gpio_alternate(GPIO(BOARD_UART_RX_PORT), BOARD_UART_RX_PIN, BOARD_UART_ALTERNATE);
}

#endif
