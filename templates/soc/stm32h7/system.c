/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock tree of the STM32H7: HSE -> PLL1 -> rated frequency at voltage scale 1, the core's supply from the LDO
 * (RM0433, sections 6.4.1 "System supply startup", 6.6.2 "Voltage scaling", 8.5 "RCC clock block" and 4.3.8 "Flash
 * read operations").
 */
#include "board.h"
#include "board_config.h"
#include "cortex_m.h"
#include "soc.h"
#include "wait.h"

#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_CFGR_SW_PLL1 3u
#define RCC_CFGR_SW_MASK 7u
#define RCC_CFGR_SWS_SHIFT 3u
#define RCC_PLLCKSELR_HSE 2u
#define RCC_PLLCKSELR_DIVM1_MASK (63u << 4)
#define RCC_PLLCFGR_PLL1RGE_SHIFT 2u
#define RCC_PLLCFGR_PLL1_MASK 15u
#define RCC_PLLCFGR_DIVP1EN (1u << 16)
#define RCC_PLLCFGR_DIVQ1EN (1u << 17)
#define RCC_PLLCFGR_DIVR1EN (1u << 18)
#define RCC_AHB2ENR_SRAM (7u << 29) /* SRAM1, SRAM2, SRAM3 */

#define PWR_CR3_BYPASS (1u << 0)
#define PWR_CR3_LDOEN (1u << 1)
#define PWR_CR3_SCUEN (1u << 2)
#define PWR_CSR1_ACTVOSRDY (1u << 13)
#define PWR_D3CR_VOSRDY (1u << 13)
#define PWR_D3CR_VOS_SCALE1 (3u << 14)

#define FLASH_ACR_LATENCY_MASK 15u
#define FLASH_ACR_WRHIGHFREQ (2u << 4)

#define HSI_HZ 64000000u

/* Range of the PLL's input: 2 to 4, 4 to 8 or 8 to 16 MHz. */
#define PLL1RGE (CLOCK_PLL_INPUT_HZ < 4000000u ? 1u : CLOCK_PLL_INPUT_HZ < 8000000u ? 2u : 3u)

static bool fallback = true;

/* The supply is written once after power-on; the voltage follows in steps that say when they are done. */
static bool set_voltage(void)
{
    PWR->cr3 = (PWR->cr3 & ~(PWR_CR3_SCUEN | PWR_CR3_BYPASS)) | PWR_CR3_LDOEN;
    if (!wait_for(&PWR->csr1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY))
        return false;
    PWR->d3cr |= PWR_D3CR_VOS_SCALE1;
    return wait_for(&PWR->d3cr, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY);
}

static bool start_oscillator(void)
{
#if defined(CLOCK_SOURCE_HSE_BYPASS)
    RCC->cr |= RCC_CR_HSEBYP;
#endif
    RCC->cr |= RCC_CR_HSEON;
    return wait_for(&RCC->cr, RCC_CR_HSERDY, RCC_CR_HSERDY);
}

static bool start_pll(void)
{
    RCC->pllckselr = (RCC->pllckselr & ~(RCC_PLLCKSELR_DIVM1_MASK | 3u)) | CLOCK_PLL_M << 4 | RCC_PLLCKSELR_HSE;
    RCC->pllcfgr = (RCC->pllcfgr & ~(RCC_PLLCFGR_PLL1_MASK | RCC_PLLCFGR_DIVQ1EN | RCC_PLLCFGR_DIVR1EN)) |
                   PLL1RGE << RCC_PLLCFGR_PLL1RGE_SHIFT | RCC_PLLCFGR_DIVP1EN;
    RCC->pll1divr = (RCC->pll1divr & 0xFFFF0000u) | (CLOCK_PLL_DIV - 1u) << 9 | (CLOCK_PLL_N - 1u);
    RCC->cr |= RCC_CR_PLL1ON;
    return wait_for(&RCC->cr, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY);
}

static bool use_pll(void)
{
    FLASH->acr = FLASH_ACR_WRHIGHFREQ | CLOCK_FLASH_LATENCY;
    if (!wait_for(&FLASH->acr, FLASH_ACR_LATENCY_MASK, CLOCK_FLASH_LATENCY))
        return false;
    RCC->d1cfgr = CLOCK_APB1_FIELD << 4 | CLOCK_AHB_FIELD;
    RCC->d2cfgr = CLOCK_APB2_FIELD << 8 | CLOCK_APB1_FIELD << 4;
    RCC->d3cfgr = CLOCK_APB1_FIELD << 4;
    RCC->cfgr = (RCC->cfgr & ~RCC_CFGR_SW_MASK) | RCC_CFGR_SW_PLL1;
    return wait_for(&RCC->cfgr, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL1 << RCC_CFGR_SWS_SHIFT);
}

static void use_internal_oscillator(void)
{
    RCC->cr |= RCC_CR_HSION;
    RCC->cfgr &= ~RCC_CFGR_SW_MASK;
    (void)wait_for(&RCC->cfgr, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, 0);
    RCC->d1cfgr = 0;
    RCC->d2cfgr = 0;
    RCC->d3cfgr = 0;
    RCC->cr &= ~(RCC_CR_PLL1ON | RCC_CR_HSEON);
}

/* Revisions before V read the AXI SRAM wrongly unless it takes one access at a time. */
static void repair_axi_sram(void)
{
    if (DBGMCU_IDCODE >> 16 < 0x2000u)
        AXI_TARG7_FN_MOD = AXI_READ_ISS_OVERRIDE;
}

uint32_t board_clock_hz(void)
{
    return fallback ? HSI_HZ : BOARD_CLOCK_HZ;
}

bool board_clock_fallback(void)
{
    return fallback;
}

void board_init(void)
{
    repair_axi_sram();
    RCC->ahb2enr |= RCC_AHB2ENR_SRAM;
    (void)RCC->ahb2enr;

    fallback = !(set_voltage() && start_oscillator() && start_pll() && use_pll());
    if (fallback)
        use_internal_oscillator();
    caches_enable();
    uart_init(fallback ? HSI_HZ : CLOCK_UART_HZ);
    counter_init();
}
