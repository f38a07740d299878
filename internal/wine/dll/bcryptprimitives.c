#include <windows.h>

/* What Go draws its random bytes from. Windows has it since version 7, Wine since 9.0; it is the
   same as this older function, which Wine has. */
BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return SystemFunction036(bytes, (ULONG)count);
}
