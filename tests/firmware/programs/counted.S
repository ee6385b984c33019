/*
 * Reads CYCCNT where instructions before it are easily counted by hand, also in the middle of straight-line code,
 * inside IT blocks and by multiple loads; leaves the differences in r4..r11 and prints them through report_counts.
 */
    .syntax unified
    .cpu cortex-m4
    .thumb
    .section .vectors, "a"
    .word 0x20010000
    .word reset + 1

    .text
    .thumb_func
    .global reset
reset:
    ldr     r0, =0xE000EDFC     /* DEMCR.TRCENA */
    ldr     r1, =0x01000000
    str     r1, [r0]
    ldr     r0, =0xE0001000     /* DWT_CTRL.CYCCNTENA */
    movs    r1, #1
    str     r1, [r0]

    ldr     r1, [r0, #4]
    ldr     r2, [r0, #4]
    subs    r4, r2, r1          /* 1 */

    ldr     r1, [r0, #4]
    nop
    nop.w
    add.w   r3, r3, r3
    ldr.w   r2, [r0, #4]
    subs    r5, r2, r1          /* 4 */

    movs    r3, #10
    ldr     r1, [r0, #4]
1:  subs    r3, #1
    bne     1b
    ldr     r2, [r0, #4]
    subs    r6, r2, r1          /* 1 + 10 * 2 */

    movs    r3, #0
    cmp     r3, #1
    ldr     r1, [r0, #4]
    itete   eq                  /* 1, and four more whether executed or not */
    moveq   r3, #5
    addne   r3, r3, #0
    moveq   r3, #6
    ldrne   r2, [r0, #4]
    subs    r7, r2, r1          /* 5 */

    ldr     r1, [r0, #4]
    .rept   700
    nop
    .endr
    ldrd    r2, r3, [r0, #4]
    sub     r8, r2, r1          /* 701 */

    ldr     r1, [r0, #4]
    wfe
    sev
    yield
    ldr     r2, [r0, #4]
    sub     r9, r2, r1          /* 4 */

    movs    r3, #0
    str     r3, [r0, #4]        /* the counter can be written */
    ldr     r10, [r0, #4]       /* 1 */

    movs    r3, #0
    str     r3, [r0]            /* and stopped */
    ldr     r1, [r0, #4]
    nop
    ldr     r2, [r0, #4]
    sub     r11, r2, r1         /* 0 */

    push    {r4-r11}
    mov     r6, sp
    movs    r7, #8
2:  ldmia   r6!, {r0}
    bl      print
    subs    r7, #1
    bne     2b
    b       .

print:                          /* r0 in hexadecimal and a line end */
    movs    r2, #8
    ldr     r3, =0x20000000
3:  ror     r0, r0, #28
    and     r1, r0, #15
    cmp     r1, #10
    ite     lo
    addlo   r1, r1, #'0'
    addhs   r1, r1, #'a' - 10
    strb    r1, [r3], #1
    subs    r2, #1
    bne     3b
    movs    r1, #'\n'
    strb    r1, [r3], #1
    movs    r1, #0
    strb    r1, [r3]
    movs    r0, #4              /* SYS_WRITE0 */
    ldr     r1, =0x20000000
    bkpt    0xab
    bx      lr
