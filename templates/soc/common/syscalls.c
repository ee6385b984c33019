/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the C library calls: standard output is the board's UART, standard input too, and the heap is what
 * custom_heap_bytes in user.ini sets aside. Only what a program uses is linked.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "board.h"

/* Older newlib-nano allocates its three files: where there are files, the heap has so much more. */
#define FILES_BYTES 448

extern char _heap_start[], _heap_end[];

int _write(int file, const char *data, int length);
int _read(int file, char *data, int length);
int _close(int file);
int _fstat(int file, struct stat *status);
int _isatty(int file);
off_t _lseek(int file, off_t offset, int whence);
void *_sbrk(ptrdiff_t bytes);
int _kill(int process, int signal);
int _getpid(void);
_Noreturn void _exit(int status);

static char files[FILES_BYTES] __attribute__((section(".heap.files"), used));

/* Without buffers, so that nothing is lost when the program ends, and none is allocated. */
static void unbuffer(void)
{
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    (void)setvbuf(stderr, NULL, _IONBF, 0);
}

/* Run before main(); linked only where _write(), which refers to it, is. */
static void (*const start_files)(void) __attribute__((section(".files_init"), used)) = unbuffer;

int _write(int file, const char *data, int length)
{
    __asm volatile("" ::"r"(&start_files), "r"(files));
    (void)file;
    board_write(data, (size_t)length);
    return length;
}

/* Waits for the first byte and takes what has come. */
int _read(int file, char *data, int length)
{
    (void)file;
    int count = 0;
    while (count < length) {
        const int byte = board_read();
        if (byte >= 0)
            data[count++] = (char)byte;
        else if (count > 0)
            break;
    }
    return count;
}

int _close(int file)
{
    (void)file;
    return 0;
}

int _fstat(int file, struct stat *status)
{
    (void)file;
    status->st_mode = S_IFCHR;
    return 0;
}

int _isatty(int file)
{
    (void)file;
    return 1;
}

off_t _lseek(int file, off_t offset, int whence)
{
    (void)file;
    (void)offset;
    (void)whence;
    errno = ESPIPE;
    return -1;
}

/* The heap grows by `bytes`; the first time that it cannot, a line says what to do. */
void *_sbrk(ptrdiff_t bytes)
{
    static const char full[] = "The heap is full: set custom_heap_bytes in user.ini to more bytes.\n";
    static char *top;
    static bool said;

    if (top == NULL)
        top = _heap_start;
    if (bytes > _heap_end - top) {
        if (!said)
            board_write(full, sizeof full - 1);
        said = true;
        errno = ENOMEM;
        return (void *)-1;
    }
    char *const start = top;
    top += bytes;
    return start;
}

int _kill(int process, int signal)
{
    (void)process;
    (void)signal;
    errno = EINVAL;
    return -1;
}

int _getpid(void)
{
    return 1;
}

void _exit(int status)
{
    board_exit(status);
}
