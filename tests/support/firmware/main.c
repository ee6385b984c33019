/* Runs every case of a batch: inputs from a linked blob, outputs to the file outputs.bin. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io.h"

struct case_port {
    void *(*get)(void);
    uint32_t bytes;
};

struct batch_case {
    void (*init)(void);
    void (*invoke)(void);
    const struct case_port *inputs, *outputs;
    uint32_t input_count, output_count, runs;
};

extern const struct batch_case batch[];
extern const uint32_t batch_size;

int main(void)
{
    if (io_open() != 0) {
        return 2;
    }
    for (uint32_t i = 0; i < batch_size; i++) {
        const struct batch_case *c = &batch[i];
        c->init();
        for (uint32_t run = 0; run < c->runs; run++) {
            for (uint32_t k = 0; k < c->input_count; k++) {
                if (io_read(c->inputs[k].get(), c->inputs[k].bytes) != 0) {
                    return 3;
                }
            }
            c->invoke();
            for (uint32_t k = 0; k < c->output_count; k++) {
                if (io_write(c->outputs[k].get(), c->outputs[k].bytes) != 0) {
                    return 4;
                }
            }
        }
    }
    return 0;
}
