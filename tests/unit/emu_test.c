// SPDX-License-Identifier: BSD-2-Clause
/*
 * The emulator against the processor that runs this test: the same bytes, the
 * same random registers and memory, and afterwards the same registers, memory
 * and flags. Each instruction is run three times: with numbers only, with a
 * pool, and with registers and memory symbolic, where every expression that
 * can be evaluated must give what the processor has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#include "elf_builder.h"

#include "gctap/emu.h"

#define CODE_ADDRESS 0x21000000ull
#define CODE_BYTES   512u
#define DATA_ADDRESS 0x22000000ull /* free on the host, too; r13 points there */
#define DATA_BYTES   384u
#define ROUNDS	     50u

/* In the data: vectors at 0, operands at 64, the flags that the code reports, vectors at 320. */
#define FLAGS_AT 256u

/* Flags that an instruction leaves in a defined state: overflow 1, carry 2, zero 4, sign 8, parity 16. */
#define NONE "0"
#define ALL  "31"

enum feature { BASE, BMI, AVX };

struct one_case { /* written by the assembler */
	const uint8_t *code, *end;
	const char *text;
	uint64_t flags, feature;
};

/* The assembler puts the bytes of each case into one section, and a description into another. */
#define CASE_OF(feature, flags, text)                                                                                  \
	__asm__(".pushsection case_code,\"a\"\n\t.intel_syntax noprefix\n"                                             \
		"1: " text "\n2:\n\t.att_syntax prefix\n\t.popsection\n"                                               \
		"\t.pushsection case_text,\"a\"\n3: .asciz \"" text "\"\n\t.popsection\n"                              \
		"\t.pushsection case_table,\"aw\"\n\t.quad 1b, 2b, 3b, " flags ", " feature "\n\t.popsection\n");
#define CASE(flags, text)     CASE_OF("0", flags, text)
#define CASE_BMI(flags, text) CASE_OF("1", flags, text)
#define CASE_AVX(flags, text) CASE_OF("2", flags, text)

#if defined(__x86_64__)

extern const struct one_case __start_case_table[], __stop_case_table[];

/* clang-format off */
/* ---- What is compared ---- rbx, rsi, rdi, r8 are operands; rcx a count; r13 memory ---------- */

#define BINARY(name)                                \
	CASE(ALL, name " rax, rbx")                 \
	CASE(ALL, name " eax, ebx")                 \
	CASE(ALL, name " ax, bx")                   \
	CASE(ALL, name " al, bl")                   \
	CASE(ALL, name " ah, bl")                   \
	CASE(ALL, name " al, bh")                   \
	CASE(ALL, name " rax, rax")                 \
	CASE(ALL, name " rax, -1")                  \
	CASE(ALL, name " rax, 0x12345678")          \
	CASE(ALL, name " eax, 0x80000000")          \
	CASE(ALL, name " ax, -5")                   \
	CASE(ALL, name " al, 0x7f")                 \
	CASE(ALL, name " r8b, sil")                 \
	CASE(ALL, name " rax, [r13+64]")            \
	CASE(ALL, name " eax, [r13+68]")            \
	CASE(ALL, name " qword ptr [r13+64], rbx")  \
	CASE(ALL, name " dword ptr [r13+65], ebx")  \
	CASE(ALL, name " word ptr [r13+66], bx")    \
	CASE(ALL, name " byte ptr [r13+64], -3")

BINARY("add")
BINARY("adc")
BINARY("sub")
BINARY("sbb")
BINARY("cmp")
BINARY("and")
BINARY("or")
BINARY("xor")
CASE(ALL, "test rax, rbx")
CASE(ALL, "test eax, ebx")
CASE(ALL, "test al, 0x80")
CASE(ALL, "test qword ptr [r13+64], 0x1234")

#define UNARY(flags, name)                   \
	CASE(flags, name " rax")             \
	CASE(flags, name " eax")             \
	CASE(flags, name " ax")              \
	CASE(flags, name " al")              \
	CASE(flags, name " ah")              \
	CASE(flags, name " qword ptr [r13+64]") \
	CASE(flags, name " byte ptr [r13+67]")

UNARY(ALL, "not")
UNARY(ALL, "neg")
UNARY(ALL, "inc")
UNARY(ALL, "dec")

/* Each condition, as a branch, as a byte and as a move. */
#define CONDITION(cc)                                                     \
	CASE(ALL, "cmp rax, rbx; set" cc " dl")                           \
	CASE(ALL, "cmp eax, ebx; set" cc " byte ptr [r13+70]")            \
	CASE(ALL, "cmp rax, rbx; cmov" cc " rsi, rdi")                    \
	CASE(ALL, "cmp al, bl; cmov" cc " esi, edi")                      \
	CASE(ALL, "test rax, rbx; cmov" cc " si, di")                     \
	CASE(ALL, "sub rax, rbx; cmov" cc " rsi, [r13+64]")               \
	CASE(ALL, "cmp rax, rbx; j" cc " 4f; mov rsi, rdi; 4:")           \
	CASE(ALL, "add eax, ebx; j" cc " 4f; lea rsi, [rdi+rdi*8+5]; 4:") \
	CASE(ALL, "ucomisd xmm0, xmm1; j" cc " 4f; mov rsi, rdi; 4:")

CONDITION("o") CONDITION("no") CONDITION("b") CONDITION("ae")
CONDITION("e") CONDITION("ne") CONDITION("be") CONDITION("a")
CONDITION("s") CONDITION("ns") CONDITION("p") CONDITION("np")
CONDITION("l") CONDITION("ge") CONDITION("le") CONDITION("g")

/* Overflow is defined for counts of one; carry of narrow operands for counts below the width. */
#define SHIFT(name)                              \
	CASE(ALL, name " rax, 1")                \
	CASE(ALL, name " eax, 1")                \
	CASE(ALL, name " ax, 1")                 \
	CASE(ALL, name " al, 1")                 \
	CASE(ALL, name " rax, 0")                \
	CASE(ALL, name " eax, 32")               \
	CASE("30", name " rax, 31")              \
	CASE("30", name " rax, 32")              \
	CASE("30", name " rax, 63")              \
	CASE("30", name " eax, 31")              \
	CASE("30", name " rax, cl")              \
	CASE("30", name " eax, cl")              \
	CASE("28", name " ax, cl")               \
	CASE("28", name " bl, cl")               \
	CASE("30", name " qword ptr [r13+64], cl") \
	CASE("30", name " dword ptr [r13+64], 7")

SHIFT("shl")
SHIFT("shr")
SHIFT("sar")

#define ROTATE(name)                  \
	CASE(ALL, name " rax, 1")     \
	CASE(ALL, name " eax, 1")     \
	CASE("30", name " rax, 13")   \
	CASE("30", name " rax, 63")   \
	CASE("30", name " eax, 31")   \
	CASE("30", name " rax, cl")   \
	CASE("30", name " eax, cl")   \
	CASE("30", name " dword ptr [r13+64], 5")

ROTATE("rol")
ROTATE("ror")
CASE(ALL, "rcr rax, 1")
CASE(ALL, "rcr eax, 1")
CASE(ALL, "rcr ax, 1")
CASE(ALL, "add rax, rbx; rcr rax, 1")
CASE("30", "rol rax, cl; adc rbx, rsi")
CASE("30", "shld rax, rbx, 5")
CASE("30", "shld rax, rbx, cl")
CASE("30", "shld eax, ebx, 31")
CASE("30", "shrd rax, rbx, 63")
CASE("30", "shrd eax, ebx, cl")
CASE(ALL, "shrd rax, rbx, 1")
CASE(ALL, "shld rax, rbx, 1")

/* Multiplications define carry and overflow. */
CASE("3", "mul rbx")
CASE("3", "mul ebx")
CASE("3", "mul qword ptr [r13+64]")
CASE("3", "imul rbx")
CASE("3", "imul ebx")
CASE("3", "imul rax, rbx")
CASE("3", "imul eax, ebx")
CASE("3", "imul ax, bx")
CASE("3", "imul rax, rbx, 1000")
CASE("3", "imul eax, [r13+64], -7")
CASE("3", "imul rax, rbx, 0x12345678")
CASE(NONE, "xor edx, edx; or rbx, 1; div rbx")
CASE(NONE, "xor edx, edx; or ebx, 1; div ebx")
CASE(NONE, "shr rbx, 1; or rbx, 1; cqo; idiv rbx")
CASE(NONE, "shr ebx, 1; or ebx, 1; cdq; idiv ebx")
CASE(NONE, "mov rbx, -1; shr rax, 1; cqo; idiv rbx")

#define MOVE(text) CASE(ALL, text)
MOVE("mov rax, rbx") MOVE("mov eax, ebx") MOVE("mov ax, bx") MOVE("mov al, bl") MOVE("mov ah, bl")
MOVE("mov al, bh") MOVE("mov sil, dil") MOVE("mov rax, -2") MOVE("mov eax, 0xfffffffe")
MOVE("movabs rax, 0x123456789abcdef0") MOVE("mov [r13+71], rbx") MOVE("mov eax, [r13+71]")
MOVE("mov word ptr [r13+64], bx; mov rax, [r13+62]") MOVE("mov byte ptr [r13+66], 0x80; mov rax, [r13+64]")
MOVE("mov [r13+64], ebx; mov [r13+68], eax; mov rsi, [r13+64]; mov rdi, [r13+66]")
MOVE("mov [r13+64], rbx; mov ax, [r13+67]; movsx esi, byte ptr [r13+70]")
MOVE("movzx eax, bl") MOVE("movzx eax, bx") MOVE("movzx eax, bh")
MOVE("movzx ax, bl") MOVE("movzx rax, word ptr [r13+65]")
MOVE("movsx eax, bl") MOVE("movsx rax, bx") MOVE("movsx ax, bl") MOVE("movsxd rax, ebx")
MOVE("movsx rax, byte ptr [r13+65]") MOVE("movsxd rax, dword ptr [r13+65]")
MOVE("lea rax, [rbx+rsi*8-77]") MOVE("lea eax, [rbx+rsi*4]") MOVE("lea ax, [rbx+5]") MOVE("lea rax, [rbx*2]")
MOVE("lea rax, [rip+0x1000]; mov ax, 0")
MOVE("cdqe") MOVE("cwde") MOVE("cqo") MOVE("cdq")
MOVE("xchg rax, rbx") MOVE("xchg eax, ebx") MOVE("xchg al, bh") MOVE("xchg [r13+64], rbx")
MOVE("xchg ax, si") MOVE("lea rdx, [r13+64]; mov [rdx], rdx; xchg [rdx], rdx")
CASE(ALL, "xadd rax, rbx") CASE(ALL, "xadd [r13+64], rbx") CASE(ALL, "xadd eax, ebx") CASE(ALL, "xadd al, bl")
CASE(ALL, "xadd rax, rax") CASE(ALL, "lock xadd [r13+64], ebx") CASE(ALL, "lea rdx, [r13+64]; xadd [rdx], rdx")
MOVE("push rbx; pop rax") MOVE("push -5; pop rax") MOVE("push qword ptr [r13+64]; pop rsi")
MOVE("push rbx; mov eax, [rsp+3]; pop qword ptr [r13+64]") MOVE("push rbp; mov rbp, rsp; push rax; leave")
MOVE("push rbx; lea rsp, [rsp+8]; nop; nop dword ptr [rax+rax]; pause; mfence; lfence; sfence")
MOVE("bswap rax") MOVE("bswap eax")

CASE(ALL, "popcnt rax, rbx")
CASE(ALL, "popcnt eax, ebx")
CASE(ALL, "popcnt ax, bx")
/* Of zero, the destination is not defined. */
CASE("4", "or rbx, 1; bsf rax, rbx")
CASE("4", "or ebx, 1024; bsf eax, ebx")
CASE("4", "or rbx, 1; bsr rax, rbx")
CASE("4", "or ebx, 1; bsr eax, ebx")
CASE("4", "xor ebx, ebx; bsf rsi, rbx; mov rsi, 0")

#define BIT_TEST(name)                         \
	CASE("6", name " rax, rbx")            \
	CASE("6", name " eax, ebx")            \
	CASE("6", name " ax, bx")              \
	CASE("6", name " rax, 63")             \
	CASE("6", name " eax, 5")              \
	CASE("6", name " qword ptr [r13+64], 33")

BIT_TEST("bt")
BIT_TEST("bts")
BIT_TEST("btr")
BIT_TEST("btc")

CASE(NONE, "lea rdi, [r13+64]; mov ecx, 5; rep stosq; mov rdi, 0")
CASE(NONE, "lea rdi, [r13+65]; mov ecx, 9; rep stosb; sub rdi, r13")
CASE(NONE, "lea rdi, [r13+66]; stosd; sub rdi, r13")
CASE(NONE, "lea rdi, [r13+96]; lea rsi, [r13+64]; mov ecx, 3; rep movsq; sub rdi, r13; sub rsi, r13")
CASE(NONE, "lea rdi, [r13+97]; lea rsi, [r13+64]; movsb; sub rdi, r13; sub rsi, r13")

/* Vectors and doubles. */
MOVE("movdqu xmm2, xmm0; movq rax, xmm2") MOVE("movups xmm2, [r13+71]; movdqu [r13+100], xmm2")
MOVE("movaps xmm0, xmm1") MOVE("movq xmm0, xmm1") MOVE("movq xmm0, rbx") MOVE("movq rbx, xmm0")
MOVE("movd xmm0, ebx") MOVE("movd ebx, xmm0") MOVE("movq xmm0, [r13+64]") MOVE("movq [r13+64], xmm0")
MOVE("movsd xmm0, xmm1") MOVE("movsd xmm0, [r13+64]") MOVE("movsd [r13+64], xmm0")
MOVE("movss xmm0, [r13+64]") MOVE("movss [r13+65], xmm0") MOVE("movd xmm0, [r13+66]")
MOVE("pxor xmm0, xmm1") MOVE("pxor xmm0, xmm0") MOVE("xorps xmm0, [r13]") MOVE("xorpd xmm0, xmm1")
MOVE("pand xmm0, xmm1") MOVE("andps xmm0, xmm1") MOVE("andpd xmm0, [r13+16]") MOVE("por xmm0, xmm1")
MOVE("orps xmm0, xmm1") MOVE("orpd xmm0, xmm1")
MOVE("addsd xmm0, xmm1") MOVE("subsd xmm0, xmm1") MOVE("mulsd xmm0, xmm1") MOVE("divsd xmm0, xmm1")
MOVE("addsd xmm0, [r13+16]") MOVE("mulsd xmm0, [r13+24]")
MOVE("cvtsi2sd xmm0, rbx") MOVE("cvtsi2sd xmm0, ebx") MOVE("cvtsi2sd xmm0, qword ptr [r13+64]")
MOVE("cvttsd2si rax, xmm0") MOVE("cvttsd2si eax, xmm0") MOVE("cvttsd2si rax, qword ptr [r13+8]")
CASE(ALL, "ucomisd xmm0, xmm1") CASE(ALL, "comisd xmm0, xmm1") CASE(ALL, "ucomisd xmm0, [r13+16]")
CASE(ALL, "ucomisd xmm0, xmm0")

#define MOVE_BMI(text) CASE_BMI(ALL, text)
MOVE_BMI("mov rdx, rsi; mulx rax, rsi, rbx") MOVE_BMI("mov rdx, rsi; mulx rax, rax, rbx")
MOVE_BMI("mulx rdi, rsi, [r13+64]") MOVE_BMI("rorx rax, rbx, 13") MOVE_BMI("rorx eax, [r13+64], 31")
MOVE_BMI("shlx rax, rbx, rcx") MOVE_BMI("shrx rax, rbx, rcx") MOVE_BMI("sarx rax, rbx, rcx")
MOVE_BMI("shlx eax, ebx, ecx") MOVE_BMI("shrx eax, [r13+64], ecx") MOVE_BMI("sarx eax, ebx, ecx")
MOVE_BMI("movbe rax, [r13+65]") MOVE_BMI("movbe [r13+65], ebx") MOVE_BMI("movbe ax, [r13+65]")
CASE_BMI("13", "andn rax, rbx, rsi")
CASE_BMI("13", "andn eax, ebx, [r13+64]")
CASE_BMI("15", "blsi rax, rbx")
CASE_BMI("15", "blsi eax, ebx")
CASE_BMI("15", "blsr rax, rbx")
CASE_BMI("15", "blsr eax, [r13+64]")
CASE_BMI("15", "blsmsk rax, rbx")
CASE_BMI("15", "blsmsk eax, ebx")
CASE_BMI("15", "xor ebx, ebx; blsmsk rax, rbx")
CASE_BMI("15", "xor ebx, ebx; blsi rax, rbx; adc rsi, rsi")
CASE_BMI("15", "bzhi rax, rbx, rcx")
CASE_BMI("15", "bzhi eax, ebx, ecx")
CASE_BMI("6", "tzcnt rax, rbx")
CASE_BMI("6", "tzcnt eax, ebx")
CASE_BMI("6", "tzcnt ax, bx")
CASE_BMI("6", "xor ebx, ebx; tzcnt rax, rbx")
CASE_BMI("6", "lzcnt rax, rbx")
CASE_BMI("6", "lzcnt eax, ebx")
CASE_BMI("6", "xor ebx, ebx; lzcnt eax, ebx")

#define MOVE_AVX(text) CASE_AVX(ALL, text)
MOVE_AVX("vmovdqu xmm0, [r13+64]") MOVE_AVX("vmovdqu ymm2, [r13+64]; vmovdqu [r13+128], ymm2")
MOVE_AVX("vmovups ymm0, ymm1") MOVE_AVX("vmovaps xmm0, xmm1") MOVE_AVX("vmovq xmm0, rbx")
MOVE_AVX("vmovq rax, xmm1") MOVE_AVX("vmovd xmm0, ebx") MOVE_AVX("vmovsd xmm0, xmm1, xmm2")
MOVE_AVX("vmovsd xmm0, [r13+64]") MOVE_AVX("vpxor xmm0, xmm1, xmm2") MOVE_AVX("vxorps xmm0, xmm0, xmm0")
MOVE_AVX("vpand ymm0, ymm1, ymm2") MOVE_AVX("vorpd xmm0, xmm1, [r13+64]")
MOVE_AVX("vaddsd xmm0, xmm1, xmm2") MOVE_AVX("vsubsd xmm0, xmm1, [r13+8]") MOVE_AVX("vmulsd xmm0, xmm1, xmm2")
MOVE_AVX("vdivsd xmm0, xmm1, xmm2") MOVE_AVX("vcvtsi2sd xmm0, xmm1, rbx") MOVE_AVX("vcvttsd2si rax, xmm1")
MOVE_AVX("vfmadd231sd xmm0, xmm1, xmm2")
CASE_AVX(ALL, "vucomisd xmm0, xmm1")
MOVE_AVX("vmovdqu ymm2, [r13+64]; movsd xmm2, [r13+8]; vmovdqu [r13+128], ymm2")
MOVE_AVX("vmovdqu ymm2, [r13+64]; vzeroupper; vmovdqu [r13+128], ymm2")
MOVE_AVX("vmovdqu ymm2, [r13+64]; movq xmm2, rbx; addsd xmm2, xmm1; vmovdqu [r13+128], ymm2")

	/* clang-format on */

	/* Before and behind each case: vectors and flags from memory, and back. */
	__asm__(".pushsection .rodata\n\t.intel_syntax noprefix\n"
		"code_before: movdqu xmm0, [r13]; movdqu xmm1, [r13+16]; movdqu xmm2, [r13+32]; cmp r15, r14\n"
		"code_before_end:\n"
		"code_behind: seto [r13+256]; setb [r13+257]; sete [r13+258]; sets [r13+259]; setp [r13+260];"
		"setbe [r13+261]; setl [r13+262]; setle [r13+263]; setno [r13+264]; setg [r13+265];"
		"movdqu [r13+320], xmm0; movdqu [r13+336], xmm1\n"
		"code_behind_end:\n\t.att_syntax prefix\n\t.popsection\n");
extern const uint8_t code_before[], code_before_end[], code_behind[], code_behind_end[];

/* Runs the bytes at cpu_code with cpu_registers. */
uint64_t cpu_registers[16], cpu_code;
void cpu_run(void);
__asm__(".pushsection .text\n\t.globl cpu_run\n\t.intel_syntax noprefix\n"
	"cpu_run: push rbx; push rbp; push r12; push r13; push r14; push r15\n"
	"	mov rax, [rip+cpu_registers]; mov rcx, [rip+cpu_registers+8]; mov rdx, [rip+cpu_registers+16]\n"
	"	mov rbx, [rip+cpu_registers+24]; mov rbp, [rip+cpu_registers+40]\n"
	"	mov rsi, [rip+cpu_registers+48]; mov rdi, [rip+cpu_registers+56]\n"
	"	mov r8, [rip+cpu_registers+64]; mov r9, [rip+cpu_registers+72]\n"
	"	mov r10, [rip+cpu_registers+80]; mov r11, [rip+cpu_registers+88]\n"
	"	mov r12, [rip+cpu_registers+96]; mov r13, [rip+cpu_registers+104]\n"
	"	mov r14, [rip+cpu_registers+112]; mov r15, [rip+cpu_registers+120]\n"
	"	call [rip+cpu_code]\n"
	"	mov [rip+cpu_registers], rax; mov [rip+cpu_registers+8], rcx; mov [rip+cpu_registers+16], rdx\n"
	"	mov [rip+cpu_registers+24], rbx; mov [rip+cpu_registers+40], rbp\n"
	"	mov [rip+cpu_registers+48], rsi; mov [rip+cpu_registers+56], rdi\n"
	"	mov [rip+cpu_registers+64], r8; mov [rip+cpu_registers+72], r9\n"
	"	mov [rip+cpu_registers+80], r10; mov [rip+cpu_registers+88], r11\n"
	"	mov [rip+cpu_registers+96], r12; mov [rip+cpu_registers+104], r13\n"
	"	mov [rip+cpu_registers+112], r14; mov [rip+cpu_registers+120], r15\n"
	"	pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx; ret\n"
	"	.att_syntax prefix\n\t.popsection\n");

#endif /* __x86_64__ */

/* ---- The emulator's side --------------------------------------------------------------------- */

#if defined(__x86_64__)

static uint64_t random_state = 0x2545f4914f6cdd1dull;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Half of them at the edges. */
static uint64_t random_operand(void)
{
	static const uint64_t edges[] = { 0,
					  1,
					  2,
					  UINT64_MAX,
					  1ull << 63,
					  INT64_MAX,
					  0x80,
					  0x7f,
					  0xff,
					  0x8000,
					  0xffff,
					  0x7fffffff,
					  0x80000000,
					  0xffffffff,
					  0x100000000,
					  0x3ff0000000000000,
					  0x7ff8000000000000,
					  0xfff0000000000000,
					  0x43e0000000000000,
					  0xc3e0000000000000,
					  0x41dfffffffc00000,
					  0x8000000000000000,
					  0x4059000000000000,
					  0xc1e0000000200000 };

	switch (random_word() % 4) {
	case 0: return edges[random_word() % (sizeof(edges) / sizeof(edges[0]))];
	case 1: return random_word() >> random_word() % 64;
	case 2: return 0x3ff0000000000000 + (random_word() >> 4); /* a double of moderate size */
	default: return random_word();
	}
}

#endif

struct state {
	uint64_t registers[16];
	uint8_t data[DATA_BYTES];
};

/* One emulated run. */
struct run {
	struct emu *emu;
	struct expr_pool *pool;
	bool symbolic; /* registers and memory are leaves */
	const struct state *before;
	struct state after;
	bool known[16]; /* or the value hangs on something that cannot be evaluated */
	bool data_known[DATA_BYTES];
};

static struct {
	struct image *image;
	uint8_t *file;
	uint64_t code_offset, data_offset;
} hand;

static uint64_t leaf_value(const struct run *run, const struct expr_node *leaf)
{
	uint64_t value = 0;

	if (leaf->op == EXPR_REGISTER)
		return run->before->registers[leaf->value];
	if (leaf->op == EXPR_MEMORY && leaf->value >= DATA_ADDRESS &&
	    leaf->value + leaf->size <= DATA_ADDRESS + DATA_BYTES)
		memcpy(&value, run->before->data + (leaf->value - DATA_ADDRESS), leaf->size);
	return value;
}

static uint64_t on_leaf(const struct expr_node *leaf, void *context)
{
	return leaf_value(context, leaf);
}

static bool read_leaf(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	*value = leaf_value(context, leaf);
	return true;
}

/* The pointer to the memory is never symbolic: nothing would be known of what is read. */
static void on_start(struct emu *emu, void *context)
{
	const struct run *run = context;

	for (unsigned i = 0; i < 16; i++)
		if (i != 4 && (i == 13 || !run->symbolic))
			emu_set_register(emu, i, (struct emu_value){ run->before->registers[i], EXPR_NONE });
}

/* What the expressions of the pool evaluate to, all at once. */
struct evaluated {
	uint64_t *words;
	bool *known;
};

static bool settle(const struct evaluated *evaluated, struct emu_value value, uint64_t *word)
{
	*word = value.expr ? evaluated->words[value.expr] : value.word;
	return !value.expr || evaluated->known[value.expr];
}

/* The call behind the code ends the run. */
static enum emu_answer on_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	struct run *run = context;
	struct emu_value bytes[DATA_BYTES];
	struct evaluated evaluated = { NULL, NULL };

	(void)target;
	(void)failure;
	for (unsigned i = 0; i < DATA_BYTES; i++)
		emu_load(emu, DATA_ADDRESS + i, 1, &bytes[i], NULL);
	if (run->pool) {
		evaluated.words = calloc(expr_pool_count(run->pool), sizeof(uint64_t));
		evaluated.known = calloc(expr_pool_count(run->pool), sizeof(bool));
		assert_true(evaluated.words && evaluated.known);
		expr_eval_all(run->pool, read_leaf, run, evaluated.words, evaluated.known);
	}
	for (unsigned i = 0; i < 16; i++)
		run->known[i] = settle(&evaluated, emu_register(emu, i), &run->after.registers[i]);
	for (unsigned i = 0; i < DATA_BYTES; i++) {
		uint64_t word;

		run->data_known[i] = settle(&evaluated, bytes[i], &word);
		run->after.data[i] = (uint8_t)word;
	}
	free(evaluated.words);
	free(evaluated.known);
	return EMU_STOP;
}

static void make_image(void)
{
	struct elf_builder elf;
	size_t size;

	elf_start(&elf, ET_EXEC, 2);
	hand.code_offset = elf_segment(&elf, PT_LOAD, CODE_ADDRESS, PF_R | PF_X, NULL, CODE_BYTES, CODE_BYTES);
	hand.data_offset = elf_segment(&elf, PT_LOAD, DATA_ADDRESS, PF_R | PF_W, NULL, DATA_BYTES, DATA_BYTES);
	hand.file = elf_finish(&elf, &size);
	assert_int_equal(image_open_bytes(hand.file, size, &hand.image, NULL), 0);
}

static void free_image(void)
{
	image_close(hand.image);
	free(hand.file);
}

static struct emu *new_emu(struct run *run, uint64_t instructions_max)
{
	struct emu_options options = {
		.image = hand.image,
		.symbolic_start = run->symbolic ? DATA_ADDRESS : 0,
		.symbolic_end = run->symbolic ? DATA_ADDRESS + DATA_BYTES : 0,
		.instructions_max = instructions_max,
		.nanoseconds_max = 60000000000u,
		.hooks = { .call = on_call, .concrete = on_leaf, .prepare = on_start, .context = run },
	};
	struct emu *emu;

	assert_int_equal(emu_new(&options, &emu, NULL), 0);
	return emu;
}

/* ---- Comparison ------------------------------------------------------------------------------ */

#if defined(__x86_64__)

static uint8_t *host_code, *host_data;

static void map_host(void)
{
	host_code = mmap((void *)CODE_ADDRESS, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	host_data = mmap((void *)DATA_ADDRESS, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static size_t put(uint8_t *to, size_t at, const uint8_t *from, const uint8_t *end)
{
	assert_true(at + (size_t)(end - from) + 8 < CODE_BYTES);
	memcpy(to + at, from, (size_t)(end - from));
	return at + (size_t)(end - from);
}

/* The same code for both, but for how it ends. */
static void place_code(const struct one_case *one)
{
	uint8_t *emulated = hand.file + hand.code_offset;
	size_t at = put(emulated, 0, code_before, code_before_end);

	at = put(emulated, at, one->code, one->end);
	at = put(emulated, at, code_behind, code_behind_end);
	memcpy(host_code, emulated, at);
	host_code[at] = 0xc3;			  /* ret */
	memcpy(emulated + at, "\xe8\0\0\0\0", 5); /* call */
}

static void make_state(struct state *state)
{
	static const uint8_t counts[] = { 0, 1, 2, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255 };

	for (unsigned i = 0; i < 16; i++)
		state->registers[i] = random_operand();
	if (random_word() % 4)
		state->registers[1] = (random_word() & ~0xffull) | counts[random_word() % sizeof(counts)];
	if (!(random_word() % 4))
		state->registers[3] = state->registers[0];
	state->registers[13] = DATA_ADDRESS;
	for (unsigned i = 0; i < DATA_BYTES; i += 8) {
		uint64_t word = random_operand();

		memcpy(state->data + i, &word, 8);
	}
}

static void run_on_cpu(const struct state *before, struct state *after)
{
	memcpy(cpu_registers, before->registers, sizeof(cpu_registers));
	memcpy(host_data, before->data, DATA_BYTES);
	cpu_code = CODE_ADDRESS;
	cpu_run();
	memcpy(after->registers, cpu_registers, sizeof(cpu_registers));
	memcpy(after->data, host_data, DATA_BYTES);
}

/* Is that byte of the report one that hangs on flags which the instruction leaves undefined? */
static bool undefined(const struct one_case *one, unsigned at)
{
	/* In the order of the setcc instructions: o, b, e, s, p, be, l, le, no, g. */
	static const uint8_t needs[] = { 1, 2, 4, 8, 16, 6, 9, 13, 1, 13 };

	return at >= FLAGS_AT && at < FLAGS_AT + sizeof(needs) && needs[at - FLAGS_AT] & ~one->flags;
}

/* What a NaN is made of is the processor's affair, and in an expression the compiler's. */
static bool both_nan(const uint8_t *a, const uint8_t *b)
{
	double x, y;

	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	return x != x && y != y;
}

static void compare(const struct one_case *one, const struct run *run, const struct state *cpu, unsigned round)
{
	const char *how = run->symbolic ? "symbolic" : run->pool ? "with a pool" : "numbers";

	for (unsigned i = 0; i < 16; i++)
		if (i != 4 && run->known[i] && run->after.registers[i] != cpu->registers[i])
			fail_msg("%s (%s, round %u): register %u is 0x%" PRIx64 ", on the processor 0x%" PRIx64
				 " (rax 0x%" PRIx64 " rbx 0x%" PRIx64 " rcx 0x%" PRIx64 ")",
				 one->text, how, round, i, run->after.registers[i], cpu->registers[i],
				 run->before->registers[0], run->before->registers[3], run->before->registers[1]);
	for (unsigned i = 0; i < DATA_BYTES; i++)
		if (run->data_known[i] && run->after.data[i] != cpu->data[i] && !undefined(one, i) &&
		    !both_nan(run->after.data + i / 8 * 8, cpu->data + i / 8 * 8))
			fail_msg("%s (%s, round %u): byte %u of memory is 0x%x, on the processor 0x%x (rax 0x%" PRIx64
				 " rbx 0x%" PRIx64 " rcx 0x%" PRIx64 ")",
				 one->text, how, round, i, run->after.data[i], cpu->data[i], run->before->registers[0],
				 run->before->registers[3], run->before->registers[1]);
}

/* Without symbols all must be known; with them, an instruction may be refused by name. */
static void emulate(const struct one_case *one, struct run *run, const struct state *before, const struct state *cpu,
		    unsigned round)
{
	struct failure failure = { "" };
	int error;

	run->before = before;
	memcpy(hand.file + hand.data_offset, before->data, DATA_BYTES);
	error = emu_run(run->emu, CODE_ADDRESS, run->pool, &failure);
	if (error && run->symbolic) {
		assert_int_equal(error, -ENOTSUP);
		assert_non_null(strstr(failure.text, " at 0x21"));
		return;
	}
	if (error)
		fail_msg("%s: %s", one->text, failure.text);
	compare(one, run, cpu, round);
}

static void try_case(const struct one_case *one)
{
	struct run numbers = { .before = NULL }, pooled = { .before = NULL }, symbolic = { .symbolic = true };
	struct run *const runs[] = { &numbers, &pooled, &symbolic };

	place_code(one);
	for (unsigned i = 0; i < 3; i++)
		runs[i]->emu = new_emu(runs[i], 100000000);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct state before, cpu;

		make_state(&before);
		run_on_cpu(&before, &cpu);
		for (unsigned i = 0; i < 3; i++) {
			runs[i]->pool = i ? expr_pool_new() : NULL;
			emulate(one, runs[i], &before, &cpu, round);
			expr_pool_free(runs[i]->pool);
		}
	}
	for (unsigned i = 0; i < 3; i++)
		emu_free(runs[i]->emu);
}

static void try_cases(enum feature feature)
{
	unsigned tried = 0;

	map_host();
	if (host_code == MAP_FAILED || host_data == MAP_FAILED)
		fail_msg("no memory at 0x%llx", CODE_ADDRESS);
	make_image();
	for (const struct one_case *one = __start_case_table; one < __stop_case_table; one++) {
		if (one->feature != feature)
			continue;
		try_case(one);
		tried++;
	}
	free_image();
	munmap(host_code, 4096);
	munmap(host_data, 4096);
	assert_true(tried > 20);
	print_message("%u instructions compared with the processor, %u rounds each\n", tried, ROUNDS);
}

static void same_as_processor(void **unused)
{
	(void)unused;
	try_cases(BASE);
}

/* Not every compiler's __builtin_cpu_supports() knows it. */
static bool has_lzcnt(void)
{
	unsigned eax, ebx, ecx = 0, edx;

	return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx & bit_LZCNT;
}

static void same_as_processor_bmi(void **unused)
{
	(void)unused;
	if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !has_lzcnt()) {
		print_message("SKIP same_as_processor_bmi: the processor has no BMI\n");
		skip();
	}
	try_cases(BMI);
}

static void same_as_processor_avx(void **unused)
{
	(void)unused;
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
		print_message("SKIP same_as_processor_avx: the processor has no AVX2 or no FMA\n");
		skip();
	}
	try_cases(AVX);
}

#else

static void same_as_processor(void **unused)
{
	(void)unused;
	print_message("SKIP same_as_processor: not an x86-64 host\n");
	skip();
}
#define same_as_processor_bmi same_as_processor
#define same_as_processor_avx same_as_processor

#endif

/* ---- What it refuses, and when it gives up --------------------------------------------------- */

static struct state no_state;

static int run_bytes(const char *bytes, size_t size, uint64_t instructions_max, struct expr_pool *pool,
		     struct failure *failure)
{
	struct run run = { .before = &no_state, .pool = pool, .symbolic = pool != NULL };
	int error;

	no_state.registers[13] = DATA_ADDRESS;
	make_image();
	memcpy(hand.file + hand.code_offset, bytes, size);
	run.emu = new_emu(&run, instructions_max);
	failure->text[0] = '\0';
	error = emu_run(run.emu, CODE_ADDRESS, pool, failure);
	emu_free(run.emu);
	free_image();
	return error;
}

#define RUN(bytes, failure) run_bytes(bytes, sizeof(bytes) - 1, 1000, NULL, failure)

static void unknown_instruction_is_named(void **unused)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *name;
	} cases[] = {
		{ "\x90\x0f\xa2", 3, "\"cpuid\" at 0x21000001" },
		{ "\x0f\x31", 2, "\"rdtsc\" at 0x21000000" },
		{ "\x0f\x05", 2, "\"syscall\"" },
		{ "\xf0\x0f\xb1\x0b", 4, "cmpxchg" },
		{ "\xd9\xc0", 2, "\"fld\"" },
		{ "\x48\xa5", 2, NULL },       /* movsq: is known */
		{ "\xa5", 1, "\"movsd\"" },    /* the string instruction of that name */
		{ "\x66\x50", 2, "\"push\"" }, /* of two bytes */
		{ "\x66\x58", 2, "\"pop\"" },
		{ "\xf3\x0f\x58\xc1", 4, "\"addss\"" },
		{ "\xc5\xf2\x10\xc2", 4, "\"vmovss\"" }, /* three operands */
		{ "\x66\xc1\xc0\x03", 4, "\"rol\"" },	 /* of two bytes */
		{ "\x48\xd3\xd8", 3, "\"rcr\"" },	 /* by cl */
		{ "\x8e\xd8", 2, "\"mov\"" },		 /* to ds */
		{ "\xe2\xfe", 2, "\"loop\"" },
	};
	struct failure failure;

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int error = run_bytes(cases[i].bytes, cases[i].size, 1000, NULL, &failure);

		if (!cases[i].name)
			continue;
		if (error != -ENOTSUP || !strstr(failure.text, cases[i].name))
			fail_msg("%s: %d \"%s\"", cases[i].name, error, failure.text);
	}
}

static void division_that_faults_is_refused(void **unused)
{
	struct failure failure;

	(void)unused;
	/* xor edx, edx; xor ebx, ebx; div rbx */
	assert_int_equal(RUN("\x31\xd2\x31\xdb\x48\xf7\xf3", &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "division"));
	/* mov rax, 1 << 63; cqo; mov rbx, -1; idiv rbx */
	assert_int_equal(RUN("\x48\xb8\0\0\0\0\0\0\0\x80\x48\x99\x48\xc7\xc3\xff\xff\xff\xff\x48\xf7\xfb", &failure),
			 -ENOTSUP);
	/* mov edx, 1; mov ebx, 1; div rbx: does not fit */
	assert_int_equal(RUN("\xba\1\0\0\0\xbb\1\0\0\0\x48\xf7\xf3", &failure), -ENOTSUP);
}

static void loops_end(void **unused)
{
	struct failure failure;

	(void)unused;
	/* jmp . */
	assert_int_equal(RUN("\xeb\xfe", &failure), -ETIME);
	assert_non_null(strstr(failure.text, "gave up after 1000 instructions, at 0x21000000"));
	/* push rax; jmp back: runs out of the memory that may be written */
	assert_int_equal(run_bytes("\x50\xeb\xfd", 3, 1000000, NULL, &failure), -ENOBUFS);
	assert_non_null(strstr(failure.text, "more memory"));
	/* rep stosb of 2^32 - 1 bytes */
	assert_int_equal(RUN("\xb9\xff\xff\xff\xff\xf3\xaa", &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "unknown length"));
}

static void time_ends_a_run(void **unused)
{
	struct run run = { .before = &no_state };
	struct emu_options options;
	struct failure failure = { "" };

	(void)unused;
	make_image();
	memcpy(hand.file + hand.code_offset, "\xeb\xfe", 2);
	options = (struct emu_options){ .image = hand.image,
					.instructions_max = UINT64_MAX,
					.nanoseconds_max = 3000000,
					.hooks = { .call = on_call, .concrete = on_leaf, .context = &run } };
	assert_int_equal(emu_new(&options, &run.emu, &failure), 0);
	assert_int_equal(emu_run(run.emu, CODE_ADDRESS, NULL, &failure), -ETIME);
	assert_non_null(strstr(failure.text, "gave up after 3 ms"));
	emu_free(run.emu);

	/* Time that others had does not count. */
	options.instructions_max = 100;
	assert_int_equal(emu_new(&options, &run.emu, &failure), 0);
	usleep(20000);
	assert_int_equal(emu_run(run.emu, CODE_ADDRESS, NULL, &failure), -ETIME);
	assert_non_null(strstr(failure.text, "gave up after 100 instructions"));
	emu_free(run.emu);
	free_image();
}

static uint64_t worked_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void each_round_of_a_repetition_counts(void **unused)
{
	struct failure failure;

	(void)unused;
	/* mov rdi, r13; mov ecx, 60000; rep stosb */
	assert_int_equal(RUN("\x4c\x89\xef\xb9\x60\xea\0\0\xf3\xaa", &failure), -ETIME);
	assert_non_null(strstr(failure.text, "gave up after 1000 instructions"));
}

/* Memory is written far apart, and then by long repetitions: the clock is looked at meanwhile. */
static void time_ends_repetitions(void **unused)
{
	/*
	 * mov rdi, r13; mov ecx, 8000; 1: mov [rdi], al; add rdi, 128 KiB; dec ecx; jnz 1b; mov rbx, rdi
	 * 2: mov rdi, rbx; mov ecx, 150; rep stosq; jmp 2b
	 */
	static const char code[] =
		"\x4c\x89\xef\xb9\x40\x1f\0\0\x88\x07\x48\x81\xc7\0\0\x02\0\xff\xc9\x75\xf3\x48\x89\xfb"
		"\x48\x89\xdf\xb9\x96\0\0\0\xf3\x48\xab\xeb\xf3";
	struct run run = { .before = &no_state };
	struct failure failure = { "" };
	struct emu_options options;
	uint64_t begun;

	(void)unused;
	no_state.registers[13] = DATA_ADDRESS;
	make_image();
	memcpy(hand.file + hand.code_offset, code, sizeof(code) - 1);
	options = (struct emu_options){
		.image = hand.image,
		.instructions_max = UINT64_MAX,
		.nanoseconds_max = 100000000,
		.hooks = { .call = on_call, .concrete = on_leaf, .prepare = on_start, .context = &run }
	};
	assert_int_equal(emu_new(&options, &run.emu, &failure), 0);
	begun = worked_ns();
	assert_int_equal(emu_run(run.emu, CODE_ADDRESS, NULL, &failure), -ETIME);
	assert_in_range(worked_ns() - begun, 0, 1500000000);
	/* Nor is it slow: a few thousand cells, each found in a few steps. */
	assert_true(emu_instructions(run.emu) > 2000);
	emu_free(run.emu);
	free_image();
}

/* Each round adds a different leaf to a sum: the pool has an end. */
static void expressions_end(void **unused)
{
	struct expr_pool *pool = expr_pool_new();
	struct failure failure;

	(void)unused;
	/* imul rax, rax, 3; add rax, rbx; xor rbx, rax; jmp back */
	assert_int_equal(run_bytes("\x48\x6b\xc0\x03\x48\x01\xd8\x48\x31\xc3\xeb\xf4", 12, 10000000, pool, &failure),
			 -ENOBUFS);
	assert_non_null(strstr(failure.text, "expressions grow without bound"));
	expr_pool_free(pool);
}

static void nowhere_to_go(void **unused)
{
	struct failure failure;
	struct expr_pool *pool = expr_pool_new();

	(void)unused;
	/* jmp rbx: symbolic */
	assert_int_equal(run_bytes("\xff\xe3", 2, 1000, pool, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "jump to an unknown place at 0x21000000"));
	assert_int_equal(run_bytes("\xff\xd3", 2, 1000, pool, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "call of an unknown function"));
	/* the same, but known: there is no code */
	assert_int_equal(RUN("\xff\xe3", &failure), -EFAULT);
	assert_non_null(strstr(failure.text, "no code at 0x0"));
	/* data is not code */
	assert_int_equal(RUN("\x41\xff\xe5", &failure), -EFAULT);
	assert_int_equal(RUN("\xc3", &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "returns"));
	/* leave: the stack pointer is not known any more, nor what it points to */
	assert_int_equal(run_bytes("\xc9\xc3", 2, 1000, pool, &failure), -ENOTSUP);
	assert_int_equal(RUN("\x06", &failure), -EILSEQ);
	assert_non_null(strstr(failure.text, "cannot be decoded"));
	expr_pool_free(pool);
}

/* What is resident of the decoder's library, kB; -1: it is part of this program. */
static long decoder_kb(void)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512], mode[8];
	bool within = false;
	long sum = -1, kb;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*x-%*x %7s", mode) == 1)
			within = strstr(line, "libcapstone");
		else if (within && sscanf(line, "Rss: %ld kB", &kb) == 1)
			sum = sum < 0 ? kb : sum + kb;
	}
	fclose(file);
	return sum;
}

static void decoder_comes_back(void **unused)
{
	struct failure failure;
	long before;

	(void)unused;
	assert_int_equal(RUN("\xeb\xfe", &failure), -ETIME);
	before = decoder_kb();
	emu_trim();
	if (before >= 0)
		assert_in_range(decoder_kb(), 0, before - 1);
	assert_int_equal(RUN("\xeb\xfe", &failure), -ETIME);
}

static enum emu_answer descend(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	(void)emu;
	(void)target;
	(void)context;
	(void)failure;
	return EMU_DESCEND;
}

static void calls_nest_and_return(void **unused)
{
	struct emu_options options = { .instructions_max = 1000,
				       .nanoseconds_max = 1000000000,
				       .hooks = { .call = descend, .concrete = on_leaf } };
	struct run run = { .before = &no_state };
	struct failure failure = { "" };
	struct emu *emu;

	(void)unused;
	make_image();
	options.image = hand.image;
	options.hooks.context = &run;
	/* call +1; ret; mov eax, 7; ret: the second ret comes back, the first is not ours */
	memcpy(hand.file + hand.code_offset, "\xe8\x01\0\0\0\xc3\xb8\x07\0\0\0\xc3", 12);
	assert_int_equal(emu_new(&options, &emu, NULL), 0);
	assert_int_equal(emu_run(emu, CODE_ADDRESS, NULL, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "returns at 0x21000005"));
	assert_int_equal(emu_register(emu, 0).word, 7);
	assert_int_equal(emu_instructions(emu), 4);
	emu_free(emu);
	/* call . */
	memcpy(hand.file + hand.code_offset, "\xe8\xfb\xff\xff\xff", 5);
	assert_int_equal(emu_new(&options, &emu, NULL), 0);
	assert_int_equal(emu_run(emu, CODE_ADDRESS, NULL, &failure), -ELOOP);
	emu_free(emu);
	free_image();
}

static enum emu_answer first_answer;

/* The first call leads elsewhere. */
static enum emu_answer redirect_once(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	(void)target;
	(void)context;
	(void)failure;
	if (emu_current(emu) != CODE_ADDRESS)
		return EMU_DESCEND;
	emu_redirect(emu, CODE_ADDRESS + 24);
	return first_answer;
}

static void a_hook_leads_elsewhere(void **unused)
{
	struct emu_options options = { .instructions_max = 1000,
				       .nanoseconds_max = 1000000000,
				       .hooks = { .call = redirect_once, .concrete = on_leaf } };
	struct run run = { .before = &no_state };
	struct failure failure = { "" };
	struct emu *emu;

	(void)unused;
	make_image();
	options.image = hand.image;
	options.hooks.context = &run;
	/* call 16; call 16; ret; at 16: add eax, 1; ret; at 24: add ecx, 1; ret */
	memcpy(hand.file + hand.code_offset,
	       "\xe8\x0b\0\0\0\xe8\x06\0\0\0\xc3\x90\x90\x90\x90\x90\x83\xc0\x01\xc3\x90\x90\x90\x90\x83\xc1\x01\xc3",
	       28);
	assert_int_equal(emu_new(&options, &emu, NULL), 0);
	/* It comes back behind the call, and the next one goes where it says. */
	first_answer = EMU_DESCEND;
	assert_int_equal(emu_run(emu, CODE_ADDRESS, NULL, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "returns at 0x2100000a"));
	assert_int_equal(emu_register(emu, 1).word, 1);
	assert_int_equal(emu_register(emu, 0).word, 1);
	/* Whoever handles the call himself leads nowhere, now or later. */
	first_answer = EMU_HANDLED;
	assert_int_equal(emu_run(emu, CODE_ADDRESS, NULL, &failure), -ENOTSUP);
	assert_int_equal(emu_register(emu, 1).word, 0);
	assert_int_equal(emu_register(emu, 0).word, 1);
	emu_free(emu);
	free_image();
}

static void decode_tells_what_an_instruction_is(void **unused)
{
	struct run run = { .before = &no_state };
	struct emu_instruction instruction;
	struct emu *emu;

	(void)unused;
	make_image();
	/* cmp dword ptr [rip+0x10], 0; je +2; call +0; lea rax, [rip+1]; push rbx; mov eax, ebx; a bad byte */
	memcpy(hand.file + hand.code_offset,
	       "\x83\x3d\x10\0\0\0\0\x74\x02\xe8\0\0\0\0\x48\x8d\x05\x01\0\0\0\x53\x89\xd8\x06", 25);
	emu = new_emu(&run, 10);
	assert_int_equal(emu_decode(emu, CODE_ADDRESS, &instruction), 0);
	assert_true(instruction.sets_flags_from_memory);
	assert_int_equal(instruction.memory_address, CODE_ADDRESS + 7 + 0x10);
	assert_false(emu_is_cheap_probe(emu, &instruction));
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 7, &instruction), 0);
	assert_true(instruction.conditional_branch && emu_is_cheap_probe(emu, &instruction));
	assert_int_equal(instruction.target, CODE_ADDRESS + 11);
	assert_string_equal(instruction.text, "je");
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 9, &instruction), 0);
	assert_true(instruction.call && instruction.target == CODE_ADDRESS + 14);
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 14, &instruction), 0);
	assert_true(instruction.takes_address && instruction.memory_address == CODE_ADDRESS + 22);
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 21, &instruction), 0);
	assert_true(emu_is_cheap_probe(emu, &instruction));
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 22, &instruction), 0);
	assert_false(emu_is_cheap_probe(emu, &instruction));
	assert_int_equal(emu_decode(emu, CODE_ADDRESS + 24, &instruction), -EILSEQ);
	assert_int_equal(emu_decode(emu, DATA_ADDRESS, &instruction), -EFAULT);
	assert_int_equal(emu_decode(emu, 0, &instruction), -EFAULT);
	emu_free(emu);
	free_image();
}

/* Shifting by a count that is symbolic and happens to be 0 leaves number and expression equal. */
static void symbolic_count_of_zero(void **unused)
{
	struct expr_pool *pool = expr_pool_new();
	struct failure failure;

	(void)unused;
	/* shl rax, cl; shl eax, cl; call: all registers are symbolic and 0 */
	assert_int_equal(run_bytes("\x48\xd3\xe0\xd3\xe0\xe8\0\0\0\0", 10, 100, pool, &failure), 0);
	expr_pool_free(pool);
}

static void arm64_is_refused_by_name(void **unused)
{
	struct elf_builder elf;
	struct emu_options options = { .instructions_max = 1 };
	struct failure failure = { "" };
	struct emu *emu;
	size_t size;
	uint8_t *file;

	(void)unused;
	elf_start(&elf, ET_EXEC, 1);
	elf.header.e_machine = EM_AARCH64;
	elf_segment(&elf, PT_LOAD, CODE_ADDRESS, PF_R | PF_X, NULL, 16, 16);
	file = elf_finish(&elf, &size);
	assert_int_equal(image_open_bytes(file, size, &options.image, NULL), 0);
	assert_int_equal(emu_new(&options, &emu, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "arm64"));
	image_close(options.image);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_processor),
		cmocka_unit_test(same_as_processor_bmi),
		cmocka_unit_test(same_as_processor_avx),
		cmocka_unit_test(unknown_instruction_is_named),
		cmocka_unit_test(division_that_faults_is_refused),
		cmocka_unit_test(loops_end),
		cmocka_unit_test(time_ends_a_run),
		cmocka_unit_test(each_round_of_a_repetition_counts),
		cmocka_unit_test(time_ends_repetitions),
		cmocka_unit_test(expressions_end),
		cmocka_unit_test(decoder_comes_back),
		cmocka_unit_test(nowhere_to_go),
		cmocka_unit_test(calls_nest_and_return),
		cmocka_unit_test(a_hook_leads_elsewhere),
		cmocka_unit_test(decode_tells_what_an_instruction_is),
		cmocka_unit_test(symbolic_count_of_zero),
		cmocka_unit_test(arm64_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
