/* DSP and FPU instructions, their results printed in hexadecimal through semihosting. */
#include <arm_acle.h>
#include <stdint.h>

extern uint32_t stack_top[];

static void print(uint32_t value)
{
    char text[10];
    for (int digit = 0; digit < 8; digit++)
        text[digit] = "0123456789abcdef"[value >> (28 - 4 * digit) & 15u];
    text[8] = '\n';
    text[9] = '\0';
    register uint32_t operation __asm("r0") = 4; /* SYS_WRITE0 */
    register const char *argument __asm("r1") = text;
    __asm volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}

void reset(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 15u << 20;
    __asm volatile("dsb\n\tisb");
    int32_t a = 0x12345678, b = 0x7f80ff01, c;
    __asm volatile("" : "+r"(a), "+r"(b));
    print((uint32_t)__smlad(a, b, 5));
    print((uint32_t)__sxtb16(b));
    __asm volatile("smmulr %0, %1, %2" : "=r"(c) : "r"(a), "r"(b));
    print((uint32_t)c);
    print((uint32_t)__smlald(a, b, 77));
    print((uint32_t)__ssat(a, 8));
    print((uint32_t)__qadd(b, b));
    float x = 1.5f, y = 2.25f;
    __asm volatile("" : "+t"(x), "+t"(y));
    print((uint32_t)(x * y * 1000.0f));
    __asm volatile("vfma.f32 %0, %1, %1" : "+t"(x) : "t"(y));
    print((uint32_t)(x * 1000.0f));
#if __ARM_FP & 8
    double d = 1.5;
    __asm volatile("" : "+w"(d));
    print((uint32_t)(d * d * 1e6));
#endif
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack_top, reset};
