/* SPDX-License-Identifier: Apache-2.0 */
/* The GPIO port of the STM32F4, F7, L4 and H7 (for example RM0385, section 6.4). */
#ifndef STM32_GPIO_H
#define STM32_GPIO_H

#include <stdint.h>

struct gpio {
    volatile uint32_t moder;
    volatile uint32_t otyper;
    volatile uint32_t ospeedr;
    volatile uint32_t pupdr;
    volatile uint32_t idr;
    volatile uint32_t odr;
    volatile uint32_t bsrr;
    volatile uint32_t lckr;
    volatile uint32_t afr[2];
};

/* Gives a pin to a peripheral; the port's clock is on. */
static inline void gpio_alternate(struct gpio *port, uint32_t pin, uint32_t function)
{
    const uint32_t shift = (pin % 8u) * 4u;
    port->afr[pin / 8u] = (port->afr[pin / 8u] & ~(15u << shift)) | function << shift;
    port->moder = (port->moder & ~(3u << (pin * 2u))) | 2u << (pin * 2u);
}

#endif
