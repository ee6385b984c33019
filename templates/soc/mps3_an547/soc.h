/* SPDX-License-Identifier: Apache-2.0 */
/* Arm MPS3 with a Cortex-M55 (application note AN547); the core starts in the secure state. */
#ifndef SOC_H
#define SOC_H

#include "soc_internal.h"

#define SOC_UART0 0x59303000u /* its secure alias */

#endif
