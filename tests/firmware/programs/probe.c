/* SPDX-License-Identifier: Apache-2.0 */
/* Says what the board's start-up code did, times a loop of 2,000,000 instructions, and breaks on request. */
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "board_config.h"

#ifndef ARENA_BYTES
#define ARENA_BYTES 1024
#endif
#ifndef BSS_BYTES
#define BSS_BYTES 4
#endif

static volatile uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));
static volatile uint8_t cleared[BSS_BYTES];
static volatile uint32_t copied = 7;

static void say(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        ++length;
    board_write(text, length);
}

static void say_number(uint32_t value)
{
    char text[11];
    char *digit = &text[10];
    *digit = '\0';
    do {
        *--digit = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0);
    say(digit);
}

__attribute__((noinline)) static void loop(uint32_t turns)
{
    __asm volatile(".balign 8          \n"
                   "1: subs %0, %0, #1 \n\t"
                   "bne 1b"
                   : "+r"(turns)
                   :
                   : "cc");
}

#if defined(BREAK_FRAMES)
#define BREAK_STACK
#define FRAME_WORDS 250u /* more than the guard, which is passed over */
#else
#define FRAME_WORDS 16u
#endif
#if defined(BREAK_STACK)
__attribute__((noinline)) static uint32_t recurse(uint32_t depth)
{
    volatile uint32_t frame[FRAME_WORDS];
    frame[depth % FRAME_WORDS] = depth;
    return depth == 0 ? 0 : recurse(depth - 1) + frame[depth % FRAME_WORDS];
}
#endif

static void break_something(void)
{
#if defined(BREAK_UNDEFINED)
    __asm volatile(".global undefined_here \nundefined_here: udf #0");
#elif defined(BREAK_SVC)
    __asm volatile("svc 0");
#elif defined(BREAK_STACK)
    say_number(recurse(10000000));
#endif
}

#if defined(WRAP)
/* Across the 24 bits of SysTick, the counter neither jumps nor stands still. */
static const char *cross_the_wrap(void)
{
    uint32_t before;
    do {
        loop(4000);
        before = board_counter();
    } while (before < 0x00FFF000u);
    const uint32_t start = before;
    while (before < 0x01001000u) {
        const uint32_t now = board_counter();
        if (now - before > 2)
            return "jumped\n";
        before = now;
    }
    return before - start < 0x4000u ? "steady\n" : "lost\n";
}
#endif

int main(void)
{
    board_init();
    say("MN,begin,2\nMN,board," BOARD_NAME ",");
    say_number(board_clock_hz());
    say(board_clock_fallback() ? ",fallback\n" : ",ok\n");
    say("MN,counter,");
    say(board_counter_unit);
    say(",");
    say_number(board_counter_numerator);
    say(",");
    say_number(board_counter_denominator);
    say("\n");

    const uint32_t start = board_counter();
    loop(1000000);
    const uint32_t ticks = board_counter() - start;
    say("ticks ");
    say_number(ticks);
    say("\n");
#if defined(WRAP)
    say(cross_the_wrap());
#endif
    break_something();

    arena[0] = 1;
    arena[ARENA_BYTES - 1] = 2;
    const int good = copied == 7 && cleared[0] == 0 && cleared[BSS_BYTES - 1] == 0 && arena[0] == 1;
    say(good ? "memory good\nMN,end\n" : "memory bad\nMN,end\n");
    return good ? STATUS : 1;
}
