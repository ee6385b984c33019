/* Speaks the protocol and reports, as layers, what known work costs. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "work.h"

static void put(const char *text)
{
    board_write(text, strlen(text));
}

static void put_number(uint32_t value)
{
    char digits[11];
    size_t first = sizeof digits - 1;
    digits[first] = '\0';
    do {
        digits[--first] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value != 0u);
    put(&digits[first]);
}

/* The cost of asking the counter twice. */
static uint32_t nothing(void)
{
    const uint32_t start = board_counter();
    return board_counter() - start;
}

static volatile uint32_t zero;
static uint32_t table[4] = {1, 2, 3, 4};

int main(void)
{
    board_init();
    const uint32_t baseline = nothing();

    uint32_t start = board_counter();
    const uint32_t answer = work(2000);
    const uint32_t ticks = board_counter() - start - baseline;

    put("an application's own line\r\nMN,begin,2\r\nMN,board,test,");
    put_number(board_clock_hz());
    put(board_clock_fallback() ? ",fallback\r\n" : ",ok\r\n");
    put("MN,model,none,aot\r\nMN,build,\r\nMN,counter,");
    put(board_counter_unit);
    put(",");
    put_number(board_counter_numerator);
    put(",");
    put_number(board_counter_denominator);
    put("\r\nMN,startup,0\r\nMN,invoke,");
    put_number(ticks);
    put("\r\nMN,layer,0,work,WORK,2000,");
    put_number(ticks);
    put("\r\nanswer ");
    put_number(answer);
    /* .bss must be clear and .data copied, though RAM is full of noise after power-up. */
    const bool passed = zero == 0 && table[0] + table[1] + table[2] + table[3] == 10 && WANTED;
    put(passed ? "\r\nMN,vector,0,PASS,0\r\n" : "\r\nMN,byte,7,1,2\r\nMN,vector,0,FAIL,1\r\n");
    put(passed ? "MN,result,PASS,1,1\r\nMN,end\r\n" : "MN,result,FAIL,0,1\r\nMN,end\r\n");
    board_exit(passed ? 0 : 1);
}
