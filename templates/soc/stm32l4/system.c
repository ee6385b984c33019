/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock tree of the STM32L4+: MSI -> PLL -> rated frequency in range 1 boost mode (RM0432, sections 5.1.8 "Dynamic
 * voltage scaling", 6.2.8 "System clock selection" and 3.3.3 "Read access latency").
 */
#include "board.h"
#include "board_config.h"
#include "cortex_m.h"
#include "soc.h"
#include "wait.h"

#define RCC_CR_MSION (1u << 0)
#define RCC_CR_MSIRDY (1u << 1)
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_PLLSRC_MSI (1u << 0)
#define RCC_PLLCFGR_PLLREN (1u << 24)
#define RCC_CFGR_SW_HSI 1u
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SW_MASK 3u
#define RCC_CFGR_SWS_SHIFT 2u
#define RCC_CFGR_HPRE_MASK (15u << 4)
#define RCC_CFGR_HPRE_2 (8u << 4)
#define RCC_APB1ENR1_PWREN (1u << 28)

#define PWR_CR1_VOS_MASK (3u << 9)
#define PWR_CR1_VOS_RANGE1 (1u << 9)
#define PWR_SR2_VOSF (1u << 10)
#define PWR_CR5_R1MODE (1u << 8) /* 0: boost */

#define FLASH_ACR_LATENCY_MASK 15u
#define FLASH_ACR_PRFTEN (1u << 8)
#define FLASH_ACR_ICEN (1u << 9)
#define FLASH_ACR_DCEN (1u << 10)

#define HSI_HZ 16000000u
#define BOOST_SETTLE_TURNS 200u /* 1 us is asked for at 60 MHz */

static bool fallback = true;

static bool set_voltage(void)
{
    PWR->cr1 = (PWR->cr1 & ~PWR_CR1_VOS_MASK) | PWR_CR1_VOS_RANGE1;
    if (!wait_for(&PWR->sr2, PWR_SR2_VOSF, 0))
        return false;
#if CLOCK_BOOST
    PWR->cr5 &= ~PWR_CR5_R1MODE;
#endif
    return true;
}

/* At reset the MSI runs at 4 MHz already. */
static bool start_pll(void)
{
    RCC->cr |= RCC_CR_MSION;
    if (!wait_for(&RCC->cr, RCC_CR_MSIRDY, RCC_CR_MSIRDY))
        return false;
    RCC->pllcfgr = (CLOCK_PLL_DIV / 2u - 1u) << 25 | RCC_PLLCFGR_PLLREN | CLOCK_PLL_N << 8 | (CLOCK_PLL_M - 1u) << 4 |
                   RCC_PLLCFGR_PLLSRC_MSI;
    RCC->cr |= RCC_CR_PLLON;
    return wait_for(&RCC->cr, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

static bool switch_to(uint32_t source)
{
    RCC->cfgr = (RCC->cfgr & ~RCC_CFGR_SW_MASK) | source;
    return wait_for(&RCC->cfgr, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, source << RCC_CFGR_SWS_SHIFT);
}

/* Beyond 80 MHz the regulator wants the load in two steps: first at half the frequency. */
static bool use_pll(void)
{
    FLASH->acr = FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN | CLOCK_FLASH_LATENCY;
    if (!wait_for(&FLASH->acr, FLASH_ACR_LATENCY_MASK, CLOCK_FLASH_LATENCY))
        return false;
    RCC->cfgr = RCC_CFGR_HPRE_2 | CLOCK_APB1_FIELD << 8 | CLOCK_APB2_FIELD << 11;
    if (!switch_to(RCC_CFGR_SW_PLL))
        return false;
    for (volatile uint32_t turn = 0; turn < BOOST_SETTLE_TURNS; turn = turn + 1) {
    }
    RCC->cfgr = (RCC->cfgr & ~RCC_CFGR_HPRE_MASK) | CLOCK_AHB_FIELD << 4;
    return true;
}

static void use_internal_oscillator(void)
{
    RCC->cr |= RCC_CR_HSION;
    (void)wait_for(&RCC->cr, RCC_CR_HSIRDY, RCC_CR_HSIRDY);
    RCC->cfgr &= RCC_CFGR_SW_MASK;
    (void)switch_to(RCC_CFGR_SW_HSI);
    RCC->cr &= ~RCC_CR_PLLON;
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
    RCC->apb1enr1 |= RCC_APB1ENR1_PWREN;
    (void)RCC->apb1enr1;

    fallback = !(set_voltage() && start_pll() && use_pll());
    if (fallback)
        use_internal_oscillator();
    uart_init(fallback ? HSI_HZ : CLOCK_UART_HZ);
    counter_init();
}
