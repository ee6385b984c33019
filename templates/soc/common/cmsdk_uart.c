/* SPDX-License-Identifier: Apache-2.0 */
/* The UART of Arm's FPGA images (Cortex-M System Design Kit, DDI 0479, section 4.3: APB UART). */
#include "board.h"
#include "board_config.h"
#include "soc.h"
#include "wait.h"

#define STATE_TX_FULL (1u << 0)
#define STATE_RX_FULL (1u << 1)
#define CTRL_TX_ENABLE (1u << 0)
#define CTRL_RX_ENABLE (1u << 1)

struct cmsdk_uart {
    volatile uint32_t data;
    volatile uint32_t state;
    volatile uint32_t ctrl;
    volatile uint32_t interrupt;
    volatile uint32_t baud_divider; /* at least 16 */
};

static struct cmsdk_uart *const uart = (struct cmsdk_uart *)BOARD_UART;
static bool ready;

void uart_init(uint32_t clock_hz)
{
    uart->baud_divider = (clock_hz + BOARD_UART_BAUD / 2) / BOARD_UART_BAUD;
    uart->ctrl = CTRL_TX_ENABLE | CTRL_RX_ENABLE;
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
        ready = wait_for(&uart->state, STATE_TX_FULL, 0);
        if (!ready)
            return;
        uart->data = (uint8_t)data[i];
    }
}

int board_read(void)
{
    return uart->state & STATE_RX_FULL ? (int)(uart->data & 0xFFu) : -1;
}
