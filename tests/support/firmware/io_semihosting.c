/* Start-up and files of an emulated Cortex-M, over semihosting. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io.h"

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_READ_BINARY = 1, MODE_WRITE_BINARY = 5 };

extern uint32_t _stack_top, _data_load, _data_start, _data_end, _bss_start, _bss_end;
int main(void);

static intptr_t in, out;

static intptr_t call(intptr_t operation, const void *arguments)
{
    register intptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static intptr_t open_file(const char *name, intptr_t mode)
{
    const intptr_t arguments[3] = {(intptr_t)name, mode, (intptr_t)strlen(name)};
    return call(SYS_OPEN, arguments);
}

int io_open(void)
{
    in = open_file("inputs.bin", MODE_READ_BINARY);
    out = open_file("outputs.bin", MODE_WRITE_BINARY);
    return in > 0 && out > 0 ? 0 : 1;
}

int io_read(void *to, uint32_t bytes)
{
    const intptr_t arguments[3] = {in, (intptr_t)to, (intptr_t)bytes};
    return (int)call(SYS_READ, arguments);
}

int io_write(const void *from, uint32_t bytes)
{
    const intptr_t arguments[3] = {out, (intptr_t)from, (intptr_t)bytes};
    return (int)call(SYS_WRITE, arguments);
}

static _Noreturn void leave(int status)
{
    const intptr_t arguments[2] = {0x20026, status};
    call(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

static void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: FPU and MVE */
#if defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED14 |= 1u << 19; /* CCR.LOB: low-overhead branches */
#endif
    __asm__ volatile("dsb\n\tisb");
    memcpy(&_data_start, &_data_load, (size_t)((char *)&_data_end - (char *)&_data_start));
    memset(&_bss_start, 0, (size_t)((char *)&_bss_end - (char *)&_bss_start));
    leave(main());
}

static void fault(void)
{
    leave(99);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void)) & _stack_top, reset, fault, fault, fault, fault, fault, fault,
    fault, fault, fault, fault, fault, fault, fault, fault,
};
