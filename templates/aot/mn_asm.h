/* SPDX-License-Identifier: Apache-2.0 */
/* How the assembler of kernels is written: whole functions, of 32-bit instructions at multiples of four where they loop
 * (an M4 loses a cycle for every third that is not), loads in rows, since each but the first then takes one cycle.
 *
 * All registers hold sums, products' factors and places. The words of the structure that a function is called with wait
 * in registers of the FPU, or on the stack where there is none. */
#ifndef MN_ASM_H
#define MN_ASM_H

#if defined(__ARM_FP)
#define TAKE(reg, n) "vmov   " reg ", s" #n "\n\t"
#define KEEP(n, reg) "vmov   s" #n ", " reg "\n\t"
/* 12 words, 22 words. */
#define OPEN_12               \
    "push   {r4-r11, lr}\n\t" \
    "vldmia r0, {s0-s11}\n\t"
#define CLOSE_12 "pop    {r4-r11, pc}\n\t"
#define OPEN_22               \
    "push   {r4-r11, lr}\n\t" \
    "vpush  {s16-s21}\n\t"    \
    "vldmia r0, {s0-s21}\n\t"
#define CLOSE_22           \
    "vpop   {s16-s21}\n\t" \
    "pop    {r4-r11, pc}\n\t"
#else
#define TAKE(reg, n) "ldr    " reg ", [sp, #4 * " #n "]\n\t"
#define KEEP(n, reg) "str    " reg ", [sp, #4 * " #n "]\n\t"
#define OPEN_12                \
    "push   {r4-r11, lr}\n\t"  \
    "ldmia.w r0, {r1-r12}\n\t" \
    "sub    sp, #48\n\t"       \
    "stmia.w sp, {r1-r12}\n\t"
#define CLOSE_12         \
    "add    sp, #48\n\t" \
    "pop    {r4-r11, pc}\n\t"
#define OPEN_22                \
    "push   {r4-r11, lr}\n\t"  \
    "add.w  r1, r0, #44\n\t"   \
    "ldmia.w r0, {r2-r12}\n\t" \
    "sub    sp, #88\n\t"       \
    "stmia.w sp, {r2-r12}\n\t" \
    "ldmia.w r1, {r2-r12}\n\t" \
    "add.w  r1, sp, #44\n\t"   \
    "stmia.w r1, {r2-r12}\n\t"
#define CLOSE_22         \
    "add    sp, #88\n\t" \
    "pop    {r4-r11, pc}\n\t"
#endif

#define FUNCTION(name, body)                                                                   \
    __asm__(".section .text." name ",\"ax\",%progbits\n\t"                                     \
            ".syntax unified\n\t"                                                              \
            ".thumb\n\t"                                                                       \
            ".p2align 2\n\t"                                                                   \
            ".global " name "\n\t"                                                             \
            ".type " name ", %function\n" name ":\n\t" body ".size " name ", . - " name "\n\t" \
            ".text\n")

#endif
