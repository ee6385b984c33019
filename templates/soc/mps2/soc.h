/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2 with a Cortex-M4 or M7 (application notes AN386 and AN500, section "Memory map"). */
#ifndef SOC_H
#define SOC_H

#include "soc_internal.h"

#define SOC_UART0 0x40004000u

#endif
