/* SPDX-License-Identifier: Apache-2.0 */
/* Speaks the protocol of MLPerf Tiny on an STM32L4R5, as firmware on a vendor's library does: SysTick keeps the time,
 * characters arrive by interrupt, and bits are waited for that nobody has told the emulator of. */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART 0x40008000u /* LPUART1 */
#define CR1 REGISTER(UART)
#define ISR REGISTER(UART + 0x1Cu)
#define RDR REGISTER(UART + 0x24u)
#define TDR REGISTER(UART + 0x28u)
#define COUNTER REGISTER(0x40000C24u) /* TIM5 */
#define FLASH_ACR REGISTER(0x40022000u)
#define SOME_STATUS REGISTER(0x40012345u & ~3u)

extern uint32_t stack_top[];
static volatile uint32_t ticks;
static char command[81];
static volatile uint32_t length;
static volatile uint32_t ready;
static uint32_t expected, loaded, sum;

static void put(char c)
{
    while (!(ISR & 1u << 7)) {
    }
    TDR = (uint8_t)c;
    while (!(ISR & 1u << 6)) {
    }
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

static void say_number(uint32_t value)
{
    if (value >= 10u)
        say_number(value / 10u);
    put((char)('0' + value % 10u));
}

static void line(const char *text, uint32_t value)
{
    say(text);
    say_number(value);
    say("\r\n");
}

static uint32_t number(const char *text)
{
    uint32_t value = 0;
    while (*text >= '0' && *text <= '9')
        value = value * 10u + (uint32_t)(*text++ - '0');
    return value;
}

static uint32_t digit(char c)
{
    return (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static int begins(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

/* 203 instructions each. */
static void infer(uint32_t times)
{
    __asm volatile("1: movs r2, #100\n2: subs r2, #1\nbne 2b\nsubs %0, #1\nbne 1b" : "+l"(times) : : "r2", "cc");
}

static void execute(void)
{
    if (begins(command, "name")) {
        say("m-name-dut-[a test]\r\n");
    } else if (begins(command, "profile")) {
        say("m-profile-[nothing]\r\nm-model-[kws01]\r\n");
    } else if (begins(command, "db load ")) {
        expected = number(command + 8);
        loaded = sum = 0;
    } else if (begins(command, "db ")) {
        for (const char *hex = command + 3; *hex && loaded < expected; hex += 2, loaded++)
            sum += digit(hex[0]) << 4 | digit(hex[1]);
        if (loaded == expected)
            say("m-load-done\r\n");
    } else if (begins(command, "infer 0")) {
        say("e-[Inference iterations must be >0]\r\n");
    } else if (begins(command, "infer ")) {
        FLASH_ACR |= 1u << 8;
        line("m-lap-us-", COUNTER);
        infer(number(command + 6));
        line("m-lap-us-", COUNTER);
        line("m-results-", sum);
    } else {
        say("e-[Unknown command]\r\n");
    }
    say("m-ready\r\n");
}

static void receive(void)
{
    const char c = (char)RDR;
    if (c != '%') {
        command[length++] = c;
        return;
    }
    command[length] = '\0';
    length = 0;
#ifdef IN_MAIN
    ready = 1;
#else
    execute();
#endif
}

static void tick(void)
{
    ticks++;
}

void start(void)
{
    command[0] = 0;
    ticks = length = ready = 0;
    while (!(SOME_STATUS & 1u << 5)) {
    }
    while (SOME_STATUS & 1u << 5) {
    }
    REGISTER(0xE000E014u) = 119999u; /* SysTick */
    REGISTER(0xE000E010u) = 7u;
    while (ticks < 3u) {
    }
    CR1 = 1u << 0 | 1u << 2 | 1u << 3;
    say("m-init-done\r\nm-ready\r\n");
    CR1 |= 1u << 5;
    REGISTER(0xE000E100u + 4u * (70u / 32u)) = 1u << 70u % 32u;
#ifdef CRASH
    *(volatile uint32_t *)0x60000000u = 1u;
#endif
    for (;;) {
        if (ready) {
            ready = 0;
            execute();
        }
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 71] = {
    [0] = stack_top,
    [1] = (const void *)start,
    [15] = (const void *)tick,
    [16 + 70] = (const void *)receive,
};
