/* SPDX-License-Identifier: Apache-2.0 */
/* The STM32F405 as QEMU emulates it: no clock tree and no pins to set. Source: RM0090. */
#ifndef SOC_H
#define SOC_H

#include "soc_internal.h"
#include "stm32_f4_f7_registers.h"

#define SOC_USART1 0x40011000u
#define BOARD_UART_ENABLE_CLOCK (RCC->apb2enr |= 1u << 4)
#define SOC_TIM2_ENABLE_CLOCK (RCC->apb1enr |= 1u << 0)

static inline void soc_uart_pins(void)
{
}

#endif
