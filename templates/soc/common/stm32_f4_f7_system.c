/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock tree of the STM32F4 and STM32F7: oscillator -> PLL -> rated frequency, with over-drive where the board asks
 * for it (RM0390, RM0090: sections "Power controller" and "Reset and clock control"; RM0385 and RM0410 likewise).
 */
#include "board.h"
#include "board_config.h"
#include "cortex_m.h"
#include "soc.h"
#include "wait.h"

#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_HSEON (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_PLLSRC_HSE (1u << 22)
#define RCC_PLLCFGR_RESET_R (2u << 28) /* PLLR where there is one, its reset value where there is none */
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SW_MASK 3u
#define RCC_CFGR_SWS_SHIFT 2u
#define RCC_APB1ENR_PWREN (1u << 28)

#define PWR_CR_VOS_SCALE1 (3u << 14)
#define PWR_CR_ODEN (1u << 16)
#define PWR_CR_ODSWEN (1u << 17)
#define PWR_CSR_ODRDY (1u << 16)
#define PWR_CSR_ODSWRDY (1u << 17)

#define HSI_HZ 16000000u

static bool fallback = true;

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
    RCC->pllcfgr = RCC_PLLCFGR_RESET_R | CLOCK_PLL_Q << 24 | RCC_PLLCFGR_PLLSRC_HSE | (CLOCK_PLL_DIV / 2u - 1u) << 16 |
                   CLOCK_PLL_N << 6 | CLOCK_PLL_M;
    RCC->cr |= RCC_CR_PLLON;
#if CLOCK_BOOST
    PWR->cr |= PWR_CR_ODEN;
    if (!wait_for(&PWR->csr, PWR_CSR_ODRDY, PWR_CSR_ODRDY))
        return false;
    PWR->cr |= PWR_CR_ODSWEN;
    if (!wait_for(&PWR->csr, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY))
        return false;
#endif
    return wait_for(&RCC->cr, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

static bool use_pll(void)
{
    const uint32_t access = FLASH_ACR_ACCELERATOR | CLOCK_FLASH_LATENCY;

    FLASH->acr = access;
    if (!wait_for(&FLASH->acr, FLASH_ACR_LATENCY_MASK, CLOCK_FLASH_LATENCY))
        return false;
    RCC->cfgr = CLOCK_AHB_FIELD << 4 | CLOCK_APB1_FIELD << 10 | CLOCK_APB2_FIELD << 13;
    RCC->cfgr |= RCC_CFGR_SW_PLL;
    return wait_for(&RCC->cfgr, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, RCC_CFGR_SW_PLL << RCC_CFGR_SWS_SHIFT);
}

/* The reset state: HSI, no prescalers. Over-drive and PLL go off; more wait states than needed do no harm. */
static void use_internal_oscillator(void)
{
    RCC->cr |= RCC_CR_HSION;
    RCC->cfgr = 0;
    (void)wait_for(&RCC->cfgr, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, 0);
    RCC->cr &= ~(RCC_CR_PLLON | RCC_CR_HSEON);
    PWR->cr &= ~(PWR_CR_ODEN | PWR_CR_ODSWEN);
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
    RCC->apb1enr |= RCC_APB1ENR_PWREN;
    (void)RCC->apb1enr;
    PWR->cr |= PWR_CR_VOS_SCALE1;
    soc_flash_accelerator_reset();

    fallback = !(start_oscillator() && start_pll() && use_pll());
    if (fallback)
        use_internal_oscillator();
    soc_caches();
    uart_init(fallback ? HSI_HZ : CLOCK_UART_HZ);
    counter_init();
}
