/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS2+ with a Cortex-M33 (application note AN505); the core starts in the secure state. */
#ifndef SOC_H
#define SOC_H

#include "soc_internal.h"

#define SOC_UART0 0x50200000u /* its secure alias */

#endif
