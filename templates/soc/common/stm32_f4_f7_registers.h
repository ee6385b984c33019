/* SPDX-License-Identifier: Apache-2.0 */
/* RCC, PWR and FLASH as the STM32F4 and STM32F7 share them (RM0390 and RM0385: sections 6.3/5.3, 5.4/4.4, 3.8/3.7). */
#ifndef STM32_F4_F7_REGISTERS_H
#define STM32_F4_F7_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

struct rcc {
    volatile uint32_t cr;
    volatile uint32_t pllcfgr;
    volatile uint32_t cfgr;
    volatile uint32_t cir;
    volatile uint32_t ahb1rstr, ahb2rstr, ahb3rstr, reserved0;
    volatile uint32_t apb1rstr, apb2rstr, reserved1[2];
    volatile uint32_t ahb1enr, ahb2enr, ahb3enr, reserved2;
    volatile uint32_t apb1enr, apb2enr;
};

struct pwr {
    volatile uint32_t cr;
    volatile uint32_t csr;
};

struct flash {
    volatile uint32_t acr;
};

_Static_assert(offsetof(struct rcc, ahb1enr) == 0x30, "ahb1enr");
_Static_assert(offsetof(struct rcc, apb2enr) == 0x44, "apb2enr");

#define RCC ((struct rcc *)0x40023800u)
#define PWR ((struct pwr *)0x40007000u)
#define FLASH ((struct flash *)0x40023C00u)
#define GPIO(port) ((struct gpio *)(0x40020000u + 0x400u * (port)))

#define FLASH_ACR_LATENCY_MASK 15u
#define FLASH_ACR_PRFTEN (1u << 8)

#endif
