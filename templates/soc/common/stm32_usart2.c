/* SPDX-License-Identifier: Apache-2.0 */
/* The USART and LPUART of the STM32F7, L4 and H7 (for example RM0385, section 31.8). */
#include "board.h"
#include "board_config.h"
#include "soc.h"
#include "wait.h"

#define CR1_UE (1u << 0)
#define CR1_RE (1u << 2)
#define CR1_TE (1u << 3)
#define ISR_ORE (1u << 3)
#define ISR_RXNE (1u << 5)
#define ISR_TC (1u << 6)
#define ISR_TXE (1u << 7)
#define ICR_ORECF (1u << 3)

struct usart {
    volatile uint32_t cr1;
    volatile uint32_t cr2;
    volatile uint32_t cr3;
    volatile uint32_t brr;
    volatile uint32_t gtpr;
    volatile uint32_t rtor;
    volatile uint32_t rqr;
    volatile uint32_t isr;
    volatile uint32_t icr;
    volatile uint32_t rdr;
    volatile uint32_t tdr;
};

_Static_assert(offsetof(struct usart, isr) == 0x1C, "isr");
_Static_assert(offsetof(struct usart, tdr) == 0x28, "tdr");

static struct usart *const usart = (struct usart *)BOARD_UART;
static bool ready;

/* clock_hz * factor / baud, rounded, in 32 bits; the factor is 256 in the LPUART and 1 elsewhere. */
static uint32_t uart_divider(uint32_t clock_hz)
{
    const uint32_t rest = clock_hz % BOARD_UART_BAUD * BOARD_UART_BRR_FACTOR;
    return clock_hz / BOARD_UART_BAUD * BOARD_UART_BRR_FACTOR + (rest + BOARD_UART_BAUD / 2) / BOARD_UART_BAUD;
}

void uart_init(uint32_t clock_hz)
{
    soc_uart_pins();
    BOARD_UART_ENABLE_CLOCK;
    usart->cr1 = 0;
    usart->brr = uart_divider(clock_hz);
    usart->cr1 = CR1_TE | CR1_RE | CR1_UE;
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
        ready = wait_for(&usart->isr, ISR_TXE, ISR_TXE);
        if (!ready)
            return;
        usart->tdr = (uint8_t)data[i];
    }
}

int board_read(void)
{
    const uint32_t status = usart->isr;
    if (status & ISR_ORE)
        usart->icr = ICR_ORECF;
    return status & ISR_RXNE ? (int)(usart->rdr & 0xFFu) : -1;
}

void uart_flush(void)
{
    if (ready)
        (void)wait_for(&usart->isr, ISR_TC, ISR_TC);
}
