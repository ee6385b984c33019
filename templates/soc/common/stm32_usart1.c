/* SPDX-License-Identifier: Apache-2.0 */
/* The USART of the STM32F4 (RM0390, section 25.6). */
#include "board.h"
#include "board_config.h"
#include "soc.h"
#include "wait.h"

#define SR_RXNE (1u << 5)
#define SR_TC (1u << 6)
#define SR_TXE (1u << 7)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define CR1_UE (1u << 13)

struct usart {
    volatile uint32_t sr;
    volatile uint32_t dr;
    volatile uint32_t brr;
    volatile uint32_t cr1;
};

static struct usart *const usart = (struct usart *)BOARD_UART;
static bool ready;

void uart_init(uint32_t clock_hz)
{
    soc_uart_pins();
    BOARD_UART_ENABLE_CLOCK;
    usart->brr = (clock_hz + BOARD_UART_BAUD / 2) / BOARD_UART_BAUD;
    usart->cr1 = CR1_UE | CR1_TE | CR1_RE;
    ready = true;
}

void uart_resume(void)
{
    ready = true;
}

void board_write(const char *data, size_t length)
{
    if (!ready)
        return;
    for (size_t i = 0; i < length; ++i) {
        ready = wait_for(&usart->sr, SR_TXE, SR_TXE);
        if (!ready)
            return;
        usart->dr = (uint8_t)data[i];
    }
}

/* Reading the status, then the data, clears an overrun as well. */
int board_read(void)
{
    return usart->sr & SR_RXNE ? (int)(usart->dr & 0xFFu) : -1;
}

void uart_flush(void)
{
    if (ready)
        (void)wait_for(&usart->sr, SR_TC, SR_TC);
}
