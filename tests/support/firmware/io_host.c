#include <stdio.h>

#include "io.h"

static FILE *in, *out;

int io_open(void)
{
    in = fopen("inputs.bin", "rb");
    out = fopen("outputs.bin", "wb");
    return in != NULL && out != NULL ? 0 : 1;
}

int io_read(void *to, uint32_t bytes)
{
    return fread(to, 1, bytes, in) == bytes ? 0 : 1;
}

int io_write(const void *from, uint32_t bytes)
{
    return fwrite(from, 1, bytes, out) == bytes ? 0 : 1;
}
